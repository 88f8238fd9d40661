"""Running statistics as part of a network: saved, published and evaluated with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hsuanwu.ops.moments import Moments, combine, moments, without_outliers

_SIGNED = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.float64}
"""Torch can do little with some dtypes; these hold the same numbers."""
_LARGEST = torch.finfo(torch.float32).max


class RunningMoments(nn.Module):
    """Mean and variance of what was seen so far; 0 and 1 before anything was.

    Args:
        shape: of one sample.
        horizon: weight that the past may have at most, in samples: with a finite one, older samples fade.
        reach: standard deviations beyond which a number is an outlier, of little weight: see ``without_outliers``.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...], horizon: float = math.inf, reach: float = math.inf) -> None:
        super().__init__()
        self._horizon, self._reach = horizon, reach
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Take samples in, ``[N, *shape]``; none is of which a number is not finite, or too large for float32."""
        if not len(x):
            return
        past = Moments(self.mean, self.variance, self.count.clamp(max=self._horizon))
        x = x.to(_SIGNED.get(x.dtype, x.dtype))
        reach = self._reach if x.dtype.itemsize > 1 else math.inf  # no byte is absurd
        is_near = _is_near(x, past, reach)
        if not is_near.all():
            x = x[torch.isfinite(x.float()).reshape(len(x), -1).all(1)]
            if not len(x):
                return
            x = _without_outliers(x, past, reach, ~is_near) if reach < math.inf else x
        mean, variance, weight = combine(past, moments(x))
        self.mean.copy_(mean)
        self.variance.copy_(variance)
        self.count.copy_(weight)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return the means and the mean squares, ``[*shape]`` float64 each."""
        return self.mean, self.variance + self.mean.square()


def _is_near(x: Tensor, past: Moments, reach: float) -> Tensor:
    """Return for each entry whether all samples are finite and within reach, ``[*shape]``; nearly always they are."""
    least, greatest = x.aminmax(dim=0)
    limit = (reach * past.variance.sqrt().clamp(min=1)).clamp(max=_LARGEST)
    # comparisons with NaN are false
    return (greatest.double() - past.mean <= limit) & (past.mean - least.double() <= limit)


def _without_outliers(x: Tensor, past: Moments, reach: float, is_far: Tensor) -> Tensor:
    """Return samples without outliers in the entries where some are far."""
    chosen = is_far.reshape(-1)
    known = Moments(past.mean[is_far], past.variance[is_far], past.weight)
    flat = x.reshape(len(x), -1).clone()
    flat[:, chosen] = without_outliers(flat[:, chosen], known, reach)
    return flat.reshape(x.shape)
