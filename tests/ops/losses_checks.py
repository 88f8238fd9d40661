"""What every implementation of the losses must do; each check takes a namespace that holds them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch
from torch import Tensor

from tests.ops.vtrace_checks import assert_refused

Ops = SimpleNamespace
POISONS = (math.nan, math.inf, -math.inf)


def numbers(seed: int, count: int = 2, shape: tuple[int, int] = (4, 3)) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(count)]


def some_rows(seed: int = 0, shape: tuple[int, int] = (4, 3)) -> Tensor:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[0, 0], mask[-1, -1] = True, False
    return mask


def losses_of(ops: Ops, x: Tensor, y: Tensor, mask: Tensor | None, reduction: str) -> dict[str, Tensor]:
    return {
        "policy_gradient": ops.policy_gradient_loss(x, y, mask, reduction),
        "baseline": ops.baseline_loss(x, y, mask, reduction),
        "entropy": ops.entropy_loss(x, mask, reduction),
        "bound": ops.bound_loss(x, mask, reduction),
    }


def check_values(ops: Ops) -> None:
    x, y = numbers(0)
    terms = {"policy_gradient": -x * y, "baseline": 0.5 * (y - x) ** 2, "entropy": -x, "bound": x}
    for mask in (None, some_rows()):
        for name, term in terms.items():
            rows = term.flatten() if mask is None else term[mask]
            for reduction, expected in (("sum", rows.sum()), ("mean", rows.sum() / len(rows))):
                loss = losses_of(ops, x, y, mask, reduction)[name]
                assert loss.shape == () and torch.allclose(loss, expected), f"{name}, {reduction}"


def check_gradients(ops: Ops) -> None:
    x, y = numbers(1)
    x.requires_grad_()
    for mask in (None, some_rows()):
        for reduction in ("sum", "mean"):
            for name in ("policy_gradient", "baseline", "entropy", "bound"):
                assert torch.autograd.gradcheck(
                    lambda z, name=name, mask=mask, r=reduction: losses_of(ops, z, y, mask, r)[name], (x,)
                )


def check_constants_get_no_gradient(ops: Ops) -> None:
    x, y = (z.requires_grad_() for z in numbers(2))
    for loss in (ops.policy_gradient_loss(x, y, None, "sum"), ops.baseline_loss(x, y, None, "sum")):
        gradients = torch.autograd.grad(loss, (x, y), allow_unused=True)
        assert gradients[0] is not None and gradients[1] is None


def check_invalid_rows_poison_nothing(ops: Ops) -> None:
    x, y = numbers(3)
    mask = some_rows()
    for poison in POISONS:
        for reduction in ("sum", "mean"):
            bad_x, bad_y = x.masked_fill(~mask, poison).requires_grad_(), y.masked_fill(~mask, poison)
            clean_x = x.clone().requires_grad_()
            good, bad = (losses_of(ops, a, b, mask, reduction) for a, b in ((clean_x, y), (bad_x, bad_y)))
            for name, loss in bad.items():
                assert torch.equal(loss, good[name]), name
                gradient, expected = torch.autograd.grad(loss, bad_x)[0], torch.autograd.grad(good[name], clean_x)[0]
                assert torch.equal(gradient, expected) and bool((gradient[~mask] == 0.0).all()), name


def check_no_valid_row_is_no_loss(ops: Ops) -> None:
    x, y = numbers(4)
    x.requires_grad_()
    for reduction in ("sum", "mean"):
        for loss in losses_of(ops, x, y, torch.zeros(4, 3, dtype=torch.bool), reduction).values():
            assert float(loss.detach()) == 0.0 and bool((torch.autograd.grad(loss, x)[0] == 0.0).all())
    none = torch.zeros(4, 3, dtype=torch.bool)
    assert float(ops.explained_variance(x, y, none)) == 0.0
    assert [float(z) for z in ops.importance_summary(x, none)] == [0.0, 0.0]


def check_types(ops: Ops) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        x, y = (z.to(dtype) for z in numbers(5))
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        results = [*losses_of(ops, x, y, None, "mean").values(), ops.explained_variance(x, y)]
        assert all(loss.dtype == wide for loss in results)
    many = torch.ones(300, 300, dtype=torch.float16)  # more than float16 can count
    assert float(ops.entropy_loss(many, None, "sum")) == -90000.0


def check_explained_variance(ops: Ops) -> None:
    targets, noise = numbers(6)
    for mask in (None, some_rows()):
        rows = torch.ones(4, 3, dtype=torch.bool) if mask is None else mask
        for values in (targets + 0.3 * noise + 2.0, noise):
            expected = 1.0 - (targets - values)[rows].var(correction=0) / targets[rows].var(correction=0)
            assert torch.allclose(ops.explained_variance(targets, values, mask), expected)
        assert float(ops.explained_variance(targets, targets + 5.0, mask)) > 1.0 - 1e-12
        assert abs(float(ops.explained_variance(targets, torch.zeros_like(targets), mask))) < 1e-12
        assert float(ops.explained_variance(torch.ones_like(noise), noise, mask)) == 0.0
    mask = some_rows()
    bad = [x.masked_fill(~mask, math.nan) for x in (targets, noise)]
    assert torch.equal(ops.explained_variance(*bad, mask), ops.explained_variance(targets, noise, mask))
    assert not ops.explained_variance(targets.requires_grad_(), noise.requires_grad_()).requires_grad


def check_importance_summary(ops: Ops) -> None:
    rhos = torch.tensor([[0.5, 1.0], [2.0, 4.0], [1.0, 8.0]])
    mask = torch.tensor([[True, True], [True, False], [False, True]])
    log_rhos = rhos.log().requires_grad_()
    for bounds, rows, fraction in (
        ((), None, 3 / 6),
        ((), mask, 2 / 4),
        ((3.0,), None, 2 / 6),
        ((3.0,), mask, 1 / 4),
        ((None,), None, 0.0),
    ):
        summary = ops.importance_summary(log_rhos, rows, *bounds)
        mean = rhos.mean() if rows is None else rhos[rows].mean()
        assert torch.allclose(summary.mean_rho, mean) and not summary.mean_rho.requires_grad
        assert abs(float(summary.clipped_fraction) - fraction) < 1e-6
    poisoned = log_rhos.detach().masked_fill(~mask, math.nan)
    assert torch.equal(
        torch.stack(ops.importance_summary(poisoned, mask)), torch.stack(ops.importance_summary(log_rhos, mask))
    )
    assert math.isfinite(ops.importance_summary(torch.full((1, 2), 1e4)).mean_rho)


def check_bad_inputs_are_refused(ops: Ops) -> None:
    x, y = numbers(7)
    mask = some_rows()
    for a, b, m in (
        (x, y[:-1], mask),
        (x, y, mask[:-1]),
        (x, y, mask.float()),
        (x[0], y[0], None),
        (x, y.long(), mask),
    ):
        assert_refused(lambda a=a, b=b, m=m: ops.policy_gradient_loss(a, b, m, "sum"), "found", "expected")
        assert_refused(lambda a=a, b=b, m=m: ops.baseline_loss(a, b, m, "sum"), "found", "expected")
        assert_refused(lambda a=a, b=b, m=m: ops.explained_variance(a, b, m), "found", "expected")
    for a, m in ((x, mask[:-1]), (x, mask.float()), (x[0], None), (x.long(), None)):
        assert_refused(lambda a=a, m=m: ops.entropy_loss(a, m, "sum"), "found", "expected")
        assert_refused(lambda a=a, m=m: ops.importance_summary(a, m), "found", "expected")
    for reduction in ("none", "Mean", ""):
        for call in (
            lambda r: ops.policy_gradient_loss(x, y, mask, r),
            lambda r: ops.baseline_loss(x, y, mask, r),
            lambda r: ops.entropy_loss(x, mask, r),
        ):
            assert_refused(lambda call=call, r=reduction: call(r), f"reduction: found {reduction!r}", "sum", "mean")
    assert_refused(lambda: ops.importance_summary(x, None, -1.0), "clip_rho")


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
