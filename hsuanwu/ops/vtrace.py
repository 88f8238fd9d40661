"""V-trace: targets and advantages from experience that an older policy made."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.ops.rows import (
    accumulate_backwards,
    as_rows,
    check_lambda,
    check_rows,
    following,
    zero_invalid,
)

_MAX_LOG_RHO = 88.0  # e^88 is still a finite float32


class VTrace(NamedTuple):
    """What ``vtrace`` returns; ``[T, B]`` float32, without gradient."""

    targets: Tensor
    """``v_s``, towards which the value function is regressed."""
    advantages: Tensor
    """What ``log_prob[s]`` is weighted with in the policy gradient."""


@torch.no_grad()
def vtrace(
    log_rhos: Tensor,
    discounts: Tensor,
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    *,
    cuts: Tensor | None = None,
    mask: Tensor | None = None,
    lambda_: float = 1.0,
    clip_rho: float | None = 1.0,
    clip_c: float | None = 1.0,
    clip_pg_rho: float | None = 1.0,
) -> VTrace:
    r"""Return the V-trace targets and the policy-gradient advantages of a stretch of experience.

    \[ v_s = V(x_s) + \sum_{t \ge s} \Big(\prod_{i=s}^{t-1} \gamma_i c_i\Big) \delta_t, \qquad
      \delta_t = \rho_t \big(r_t + \gamma_t V(x_{t+1}) - V(x_t)\big) \]

    \[ \rho_t = \min(\bar\rho, \pi/\mu), \qquad c_t = \lambda \min(\bar c, \pi/\mu), \qquad
      \text{advantage}_s = \min(\bar\rho_{pg}, \pi/\mu) \big(r_s + \gamma_s v_{s+1} - V(x_s)\big) \]

    The sum ends with the segment of s: at a cut, before an invalid row, or at row T - 1. On the last row t of
    a segment \(v_{t+1}\) is ``next_values[t]``. Nothing that stands after a segment, NaN and infinity
    included, reaches it.

    Args:
        log_rhos: ``log pi(action) - log mu(action)``, learner over behaviour policy; may be infinite.
        discounts: gamma, and 0 where the task terminated. A discount of 0 also hides what comes after it.
        rewards: the outcome of the action of each row.
        values: ``V(x_t)``.
        next_values: ``V(x_{t+1})``. Inside a segment it must equal ``values[t + 1]``; at the end of a segment
            it may differ, and is the bootstrap.
        cuts: bool, True where the trace ends at this row (terminated or truncated); the bootstrap stays.
        mask: bool, False at rows that count for nothing: there the target is the value and the advantage 0.
        lambda_: in [0, 1]; how much of the trace is carried from row to row.
        clip_rho: upper bound of rho; it sets which policy's value the targets converge to. None: no bound.
        clip_c: upper bound of the trace weights; it sets the variance, not the fixed point. None: no bound.
        clip_pg_rho: upper bound of the ratio in the advantages. None: no bound.

    All tensors are ``[T, B]`` on one device; numbers of any floating point type are computed as float32.
    Without a bound, ratios above e^88 count as e^88.

    Returns:
        ``VTrace(targets, advantages)``, both ``[T, B]`` float32; no gradient flows through them.

    Raises:
        ValueError: if a shape, dtype, device, ``lambda_`` or a bound does not fit.

    Source: Espeholt et al. 2018, IMPALA, arXiv 1802.01561, section 4.1, equation 1 and remarks 1 and 2.

    Example:
        >>> half, one = torch.full((2, 1), 0.5), torch.ones(2, 1)
        >>> targets, advantages = vtrace(torch.zeros(2, 1), half, one, torch.zeros(2, 1), torch.tensor([[0.0], [4.0]]))
        >>> targets.flatten().tolist(), advantages.flatten().tolist()
        ([2.5, 3.0], [2.5, 3.0])
    """
    flags = {"cuts": cuts, "mask": mask}
    check_rows(flags, log_rhos=log_rhos, discounts=discounts, rewards=rewards, values=values, next_values=next_values)
    check_lambda(lambda_)
    for name, clip in {"clip_rho": clip_rho, "clip_c": clip_c, "clip_pg_rho": clip_pg_rho}.items():
        check_clip(name, clip)

    rows = as_rows(discounts, rewards, next_values, cuts, mask)
    values = values.float()
    valid_values = zero_invalid(values, mask)
    ratios = zero_invalid(importance_ratios(log_rhos.float()), mask)

    deltas = torch.addcmul(rows.rewards, rows.discounts, rows.next_values).sub_(valid_values)
    deltas *= clipped(ratios, clip_rho)
    weights = clipped(ratios, clip_c) * rows.discounts * lambda_
    targets = values + accumulate_backwards(deltas, weights, rows.links)

    next_targets = following(targets, rows.next_values, rows.links)
    errors = torch.addcmul(rows.rewards, rows.discounts, next_targets).sub_(valid_values)
    return VTrace(targets, errors * clipped(ratios, clip_pg_rho))


def check_clip(name: str, clip: float | None) -> None:
    """Raise a ConfigurationError unless ``clip`` is None or a bound of at least 0."""
    if clip is not None and not clip >= 0.0:
        raise ConfigurationError(f"{name}: found {clip}, expected a number of at least 0, or None for no bound")


def importance_ratios(log_rhos: Tensor) -> Tensor:
    """Return ``exp(log_rhos)``, at most e^88: an infinite ratio would make NaN out of an error of 0."""
    return log_rhos.clamp(max=_MAX_LOG_RHO).exp_()


def clipped(ratios: Tensor, clip: float | None) -> Tensor:
    """Return ``min(clip, ratios)``; ``ratios`` if ``clip`` is None."""
    return ratios if clip is None else ratios.clamp(max=clip)
