"""Random stretches of experience, and how close is close enough."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

SHAPES = ((1, 1), (1, 3), (2, 1), (3, 2), (4, 6), (5, 3), (8, 2), (9, 4), (17, 3))


@dataclass(frozen=True)
class Case:
    """The inputs of ``vtrace``."""

    log_rhos: Tensor
    discounts: Tensor
    rewards: Tensor
    values: Tensor
    next_values: Tensor
    cuts: Tensor | None = None
    mask: Tensor | None = None

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The five tensors of numbers."""
        return self.log_rhos, self.discounts, self.rewards, self.values, self.next_values

    @property
    def on_policy(self) -> tuple[Tensor, Tensor, Tensor]:
        """What a return is made from."""
        return self.discounts, self.rewards, self.next_values

    @property
    def flags(self) -> dict[str, Tensor | None]:
        """The two tensors of flags."""
        return {"cuts": self.cuts, "mask": self.mask}

    def rows(self, start: int, stop: int) -> Case:
        """The same experience from ``start`` up to ``stop``."""
        return self.map(lambda x: x[start:stop])

    def map(self, function: object) -> Case:
        """The case whose tensors are ``function(tensor)``."""
        return Case(**{k: None if x is None else function(x) for k, x in vars(self).items()})  # type: ignore[operator]

    def but(self, **changes: Tensor | None) -> Case:
        """The case with other tensors in some places."""
        return replace(self, **changes)  # type: ignore[arg-type]


def random_case(seed: int, shape: tuple[int, int], spread: float = 1.0, cut: float = 0.2, invalid: float = 0.2) -> Case:
    """Return a case; ``next_values`` are the next row's values, but at the ends of segments values of their own."""
    g = torch.Generator().manual_seed(seed)
    cuts, mask = torch.rand(shape, generator=g) < cut, torch.rand(shape, generator=g) >= invalid
    values, elsewhere = 3 * torch.randn(shape, generator=g), 3 * torch.randn(shape, generator=g)
    inside = torch.zeros(shape, dtype=torch.bool)
    inside[:-1] = ~cuts[:-1] & mask[:-1] & mask[1:]
    terminated = cuts & (torch.rand(shape, generator=g) < 0.5)
    return Case(
        log_rhos=spread * torch.randn(shape, generator=g),
        discounts=torch.where(terminated, 0.0, 0.8 + 0.2 * torch.rand(shape, generator=g)),
        rewards=torch.randn(shape, generator=g),
        values=values,
        next_values=torch.where(inside, values.roll(-1, 0), elsewhere),
        cuts=cuts if cut else None,
        mask=mask if invalid else None,
    )


def many_cases(seeds: int = 3, **options: float) -> list[Case]:
    """Return cases of all shapes, with and without cuts and invalid rows."""
    cases = []
    for seed in range(seeds):
        for i, shape in enumerate(SHAPES):
            for j, (cut, invalid) in enumerate(((0.2, 0.2), (0.0, 0.0), (0.3, 0.0), (0.0, 0.3))):
                cases.append(random_case(1000 * seed + 10 * i + j, shape, cut=cut, invalid=invalid, **options))
    return cases


def assert_near(actual: Tensor, expected: Tensor, what: str = "result") -> None:
    """Assert equality up to 1e-5 of the largest number expected (of 1 where all are smaller)."""
    assert actual.shape == expected.shape, f"{what}: shape {tuple(actual.shape)}, expected {tuple(expected.shape)}"
    scale = max(1.0, float(expected.abs().max()))
    error = float((actual.double() - expected.double()).abs().max())
    assert error <= 1e-5 * scale, f"{what}: off by {error}, scale {scale}"


def same(actual: Tensor, expected: Tensor) -> bool:
    """Return whether two tensors are equal, NaN counting as equal to NaN."""
    return actual.shape == expected.shape and bool(torch.equal(actual.nan_to_num(7.0), expected.nan_to_num(7.0)))


def poisoned(case: Case, where: Tensor, poison: float) -> Case:
    """Return the case with ``poison`` in every number of the rows in ``where``."""
    return Case(*[x.masked_fill(where, poison) for x in case.tensors], **case.flags)


POISONS = (float("nan"), float("inf"), float("-inf"))
