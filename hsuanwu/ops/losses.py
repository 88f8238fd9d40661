"""Losses of actor-critic learners and figures that tell how training goes; ``[T, B]`` rows in, one number out.

``mask`` (bool, the trajectory's ``valid``; None: all rows) is False at rows that carry no loss and no gradient,
even where they hold NaN. ``reduction`` is "sum" or "mean", the mean over the valid rows. The type of the result is
that of the inputs, float32 at least.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.ops.rows import check_rows, zero_invalid
from hsuanwu.ops.vtrace import check_clip, importance_ratios


def policy_gradient_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor | None, reduction: str) -> Tensor:
    r"""Return the policy-gradient loss \(-\sum_t A_t \log \pi(a_t | x_t)\).

    Args:
        log_probs: ``[T, B]``, log-probabilities of the actions taken, under the policy that is trained.
        advantages: ``[T, B]``; constants, no gradient flows into them.
        mask: bool ``[T, B]`` or None.
        reduction: "sum" or "mean".

    Returns:
        A scalar; its gradient flows into ``log_probs``.

    Raises:
        ValueError: if a shape, dtype, device or ``reduction`` does not fit.

    Source: Espeholt et al. 2018, arXiv 1802.01561, section 4.2.

    Example:
        >>> policy_gradient_loss(torch.tensor([[-1.0, -2.0]]), torch.tensor([[3.0, 1.0]]), None, "sum")
        tensor(5.)
    """
    check_rows({"mask": mask}, log_probs=log_probs, advantages=advantages)
    log_probs, advantages = _at_least_float32(log_probs, mask), _at_least_float32(advantages.detach(), mask)
    return _reduce(-log_probs * advantages, mask, reduction)


def baseline_loss(values: Tensor, targets: Tensor, mask: Tensor | None, reduction: str) -> Tensor:
    r"""Return the value function's loss \(\sum_t \frac{1}{2} (v_t - V(x_t))^2\).

    Args:
        values: ``[T, B]``, V of each row's observation.
        targets: ``[T, B]``; constants, no gradient flows into them.
        mask: bool ``[T, B]`` or None.
        reduction: "sum" or "mean".

    Returns:
        A scalar; its gradient flows into ``values``.

    Raises:
        ValueError: if a shape, dtype, device or ``reduction`` does not fit.

    Source: Espeholt et al. 2018, arXiv 1802.01561, section 4.2.

    Example:
        >>> baseline_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 2.0]]), None, "mean")
        tensor(1.)
    """
    check_rows({"mask": mask}, values=values, targets=targets)
    errors = _at_least_float32(targets.detach(), mask) - _at_least_float32(values, mask)
    return _reduce(0.5 * errors.square(), mask, reduction)


def entropy_loss(entropies: Tensor, mask: Tensor | None, reduction: str) -> Tensor:
    r"""Return the entropy loss \(-\sum_t H(\pi(\cdot | x_t))\); to lower it is to explore more.

    Args:
        entropies: ``[T, B]``, entropy of the policy at each row, in nats.
        mask: bool ``[T, B]`` or None.
        reduction: "sum" or "mean".

    Returns:
        A scalar; its gradient flows into ``entropies``.

    Raises:
        ValueError: if a shape, dtype, device or ``reduction`` does not fit.

    Source: Espeholt et al. 2018, arXiv 1802.01561, section 4.2.

    Example:
        >>> entropy_loss(torch.tensor([[0.5, 1.0]]), torch.tensor([[True, False]]), "mean")
        tensor(-0.5000)
    """
    check_rows({"mask": mask}, entropies=entropies)
    return _reduce(-_at_least_float32(entropies, mask), mask, reduction)


def bound_loss(excesses: Tensor, mask: Tensor | None, reduction: str) -> Tensor:
    r"""Return the loss of actions meant for beyond their bounds, \(\sum_t e(\pi(\cdot | x_t))\).

    Args:
        excesses: ``[T, B]``, squared distances from the bounds (``Distribution.excess``).
        mask: bool ``[T, B]`` or None.
        reduction: "sum" or "mean".

    Returns:
        A scalar; its gradient flows into ``excesses``.

    Raises:
        ValueError: if a shape, dtype, device or ``reduction`` does not fit.

    Example:
        >>> bound_loss(torch.tensor([[0.5, 1.0]]), torch.tensor([[True, False]]), "mean")
        tensor(0.5000)
    """
    check_rows({"mask": mask}, excesses=excesses)
    return _reduce(_at_least_float32(excesses, mask), mask, reduction)


@torch.no_grad()
def explained_variance(targets: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Return how much of the targets' variance the values explain: \(1 - Var(v - V) / Var(v)\).

    Args:
        targets: ``[T, B]``, what the values should be.
        values: ``[T, B]``.
        mask: bool ``[T, B]`` or None.

    Returns:
        A scalar, at most 1: 1 for perfect values, 0 for constant ones (and where the targets do not vary),
        below 0 for values that are worse than a constant.

    Raises:
        ValueError: if a shape, dtype or device does not fit.

    Example:
        >>> targets = torch.tensor([[1.0, 2.0, 3.0]])
        >>> explained_variance(targets, targets + 5), explained_variance(targets, torch.zeros(1, 3))
        (tensor(1.), tensor(0.))
    """
    check_rows({"mask": mask}, targets=targets, values=values)
    targets, values = _at_least_float32(targets, mask), _at_least_float32(values, mask)
    total, unexplained = _variance(targets, mask), _variance(targets - values, mask)
    return torch.where(total == 0.0, torch.zeros_like(total), 1.0 - unexplained / total)


_ROUNDING = 1e-4
"""A ratio counts as clipped only beyond this: without lag half of all ratios lie above 1 by rounding alone."""


class ImportanceSummary(NamedTuple):
    """What ``importance_summary`` returns; scalars."""

    mean_rho: Tensor
    """Mean ratio of learner to behaviour policy; 1 on average, however far apart the two are, if all is well."""
    clipped_fraction: Tensor
    """Fraction of the rows whose ratio lies above the bound; grows with policy lag."""


@torch.no_grad()
def importance_summary(log_rhos: Tensor, mask: Tensor | None = None, clip_rho: float | None = 1.0) -> ImportanceSummary:
    """Return how far the learner's policy has moved from the one that acted.

    Args:
        log_rhos: ``[T, B]``, ``log pi(action) - log mu(action)``.
        mask: bool ``[T, B]`` or None.
        clip_rho: the bound that V-trace puts on the ratios; None: no bound.

    Returns:
        ``ImportanceSummary(mean_rho, clipped_fraction)`` over the valid rows, ratios not clipped.

    Raises:
        ValueError: if a shape, dtype or ``clip_rho`` does not fit.

    Example:
        >>> importance_summary(torch.tensor([[0.0, 2.0]]).log())
        ImportanceSummary(mean_rho=tensor(1.), clipped_fraction=tensor(0.5000))
    """
    check_rows({"mask": mask}, log_rhos=log_rhos)
    check_clip("clip_rho", clip_rho)
    ratios = zero_invalid(importance_ratios(_at_least_float32(log_rhos, mask)), mask)
    bound = float("inf") if clip_rho is None else clip_rho
    is_clipped = ratios > bound * (1.0 + _ROUNDING)
    return ImportanceSummary(_reduce(ratios, mask, "mean"), _reduce(is_clipped.to(ratios.dtype), mask, "mean"))


def _at_least_float32(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return ``x`` in a type that sums may be taken in, with 0 at invalid rows *before* anything is computed.

    A mask put only on the result would leave NaN in the gradient: 0 times NaN is NaN.
    """
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return zero_invalid(x, mask)


def _reduce(x: Tensor, mask: Tensor | None, reduction: str) -> Tensor:
    """Return the sum of ``x``, whose invalid rows are 0, or its mean over the valid rows (0 if there are none)."""
    if reduction == "sum":
        return x.sum()
    if reduction == "mean":
        return x.mean() if mask is None else x.sum() / mask.sum().clamp(min=1)
    raise ConfigurationError(f"reduction: found {reduction!r}, expected 'sum' or 'mean'")


def _variance(x: Tensor, mask: Tensor | None) -> Tensor:
    return _reduce(zero_invalid(x - _reduce(x, mask, "mean"), mask).square(), mask, "mean")
