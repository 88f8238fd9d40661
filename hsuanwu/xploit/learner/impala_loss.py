"""The IMPALA objective: policy gradient and value regression on V-trace targets, and an entropy bonus."""

from __future__ import annotations

import torch
from torch import Tensor

from hsuanwu.common.nest import Nest
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.ops.losses import (
    baseline_loss,
    bound_loss,
    entropy_loss,
    explained_variance,
    importance_summary,
    policy_gradient_loss,
)
from hsuanwu.ops.moments import return_scale
from hsuanwu.ops.vtrace import VTrace, vtrace
from hsuanwu.xploit.encoder.running_moments import RunningMoments
from hsuanwu.xploit.learner.impala_settings import ImpalaSettings
from hsuanwu.xploit.policy.base import Policy

_MOST_REWARD = 10.0
_LEAST_SCALE = 1e-8


def impala_loss(
    policy: Policy, batch: Trajectory, init_state: Nest, settings: ImpalaSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of one batch, a scalar through which gradients flow, and what to report of it.

    ``L = -sum_t log pi(a_t | x_t) A_t + baseline_coef * sum_t (v_t - V(x_t))^2 / 2 - ent_coef * sum_t H_t``, and
    ``+ bound_coef * sum_t`` (squared distance of the mode from the actions' bounds),
    with V-trace targets ``v`` and advantages ``A`` (Espeholt et al. 2018, section 4.2); rows that are not
    valid count for nothing, and ``loss_reduction="mean"`` divides by the number of those that do.
    """
    params, values = policy.unroll(batch.observation, batch.is_first, batch.last_action, batch.last_reward, init_state)
    distribution, mask, reduction = policy.distribution, batch.valid, settings.loss_reduction
    params, next_values, values = params[:-1], values.detach()[1:], values[:-1]
    # an ignored action may be anything, NaN too, which no mask would keep out of the gradient later
    action = torch.where(mask.view(*mask.shape, *[1] * (batch.action.dim() - 2)), batch.action, 0)
    log_probs = distribution.log_prob(params, action)
    entropies = distribution.entropy(params)
    log_rhos = log_probs.detach() - batch.log_prob
    targets, advantages = _targets(batch, log_rhos, values.detach(), next_values, settings, policy.reward_moments)
    policy_loss = policy_gradient_loss(log_probs, advantages, mask, reduction)
    value_loss = baseline_loss(values, targets, mask, reduction)
    bonus_loss = entropy_loss(entropies, mask, reduction)
    loss = policy_loss + settings.baseline_coef * value_loss + settings.ent_coef * bonus_loss
    report = {"loss": loss, "policy_loss": policy_loss, "baseline_loss": value_loss, "entropy_loss": bonus_loss}
    if settings.bound_coef and distribution.has_excess:
        report["bound_loss"] = bound_loss(distribution.excess(params), mask, reduction)
        report["loss"] = loss = loss + settings.bound_coef * report["bound_loss"]
    return loss, {name: part.detach() for name, part in report.items()} | _figures(
        entropies.detach(), values.detach(), targets, log_rhos, mask, settings
    )


def _targets(
    batch: Trajectory,
    log_rhos: Tensor,
    values: Tensor,
    next_values: Tensor,
    settings: ImpalaSettings,
    reward_moments: RunningMoments,
) -> VTrace:
    """Return V-trace's targets and advantages of a batch."""
    rewards, discounts = batch.reward, settings.discount * (~batch.terminated).float()
    if settings.reward_clip is not None:
        rewards = rewards.clamp(-settings.reward_clip, settings.reward_clip)
    cuts = batch.terminated | batch.truncated
    if settings.normalize_reward:
        reward_moments.observe(torch.stack([rewards, batch.is_first[:-1].float()], -1)[batch.valid])
        rewards = rewards / (return_scale(*reward_moments.statistics(), settings.discount) + _LEAST_SCALE).float()
        rewards = rewards.clamp(-_MOST_REWARD, _MOST_REWARD)
    return vtrace(
        log_rhos,
        discounts,
        rewards,
        values,
        next_values,
        cuts=cuts,
        mask=batch.valid,
        lambda_=settings.lambda_,
        clip_rho=settings.clip_rho,
        clip_c=settings.clip_c,
        clip_pg_rho=settings.clip_pg_rho,
    )


@torch.no_grad()
def _figures(
    entropies: Tensor, values: Tensor, targets: Tensor, log_rhos: Tensor, mask: Tensor, settings: ImpalaSettings
) -> dict[str, Tensor]:
    """Return what tells how training goes; no gradient flows."""
    mean_rho, clipped_fraction = importance_summary(log_rhos, mask, settings.clip_rho)
    return {
        "entropy": -entropy_loss(entropies, mask, "mean"),
        "value": _mean(values, mask),
        "explained_variance": explained_variance(targets, values, mask),
        "rho": mean_rho,
        "rho_clipped_fraction": clipped_fraction,
    }


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)
