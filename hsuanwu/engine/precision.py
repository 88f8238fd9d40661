"""float32 or bfloat16: what the work for a batch takes in each, and which of them makes a run faster."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.errors import one_line
from hsuanwu.engine import measurement
from hsuanwu.engine.build import Agent, build_agent
from hsuanwu.engine.layout import Costs

_GAIN = 1.05
"""bfloat16 is chosen if it is faster by this factor: otherwise float32 is the safer one."""
_LONG_SECONDS = 0.5
"""Shorter measurements may have been disturbed as a whole, and are made twice."""
_FEW_STEPS = 64


@dataclass(frozen=True)
class Trial:
    """An agent of one precision, and what a batch costs it, in seconds of one core.

    Attributes:
        agent: the agent.
        learn: seconds of the updates.
        infer: seconds in which the actions of all steps are inferred.
    """

    agent: Agent
    learn: float = 0.0
    infer: float = 0.0

    @property
    def seconds(self) -> float:
        """All work together."""
        return self.learn + self.infer


def trials(cfgs: DictConfig) -> dict[str, Trial]:
    """Return a trial of each precision that may be chosen, by name; one that is given is not tried.

    A precision in which the encoder fails, as one of somebody's own may in bfloat16, is left out.
    """
    if cfgs.precision != "auto":
        return {cfgs.precision: Trial(build_agent(cfgs))}
    found = {name: Trial(build_agent(_with_precision(cfgs, name))) for name in ("float32", "bfloat16")}
    found["float32"] = _measured(cfgs, found["float32"])
    try:
        found["bfloat16"] = _measured(cfgs, found["bfloat16"])
    except Exception as error:  # whatever an encoder may raise that works in float32
        warnings.warn(
            f"in bfloat16 the encoder fails ({type(error).__name__}: {one_line(error)}), so float32 it is; "
            "precision=float32 leaves out the trial",
            stacklevel=2,
        )
        del found["bfloat16"]
        return found
    if sum(trial.seconds for trial in found.values()) < _LONG_SECONDS:
        found = {name: _less(trial, _measured(cfgs, trial)) for name, trial in found.items()}
    return found


def faster(tried: Mapping[str, Trial], speed: Callable[[str], float]) -> str:
    """Return the precision of the greater ``speed``; bfloat16 has to win clearly."""
    if len(tried) == 1:
        return next(iter(tried))
    return "bfloat16" if speed("bfloat16") > _GAIN * speed("float32") else "float32"


def costs_of(other: Trial, known: Trial, costs: Costs, num_steps: int) -> Costs:
    """Return what a run costs in another precision than that in which its costs are known.

    Args:
        other: the precision that is asked for.
        known: the one of ``costs``.
        costs: as measured.
        num_steps: environment steps in a batch, which the two were tried with.
    """
    if other is known:
        return costs
    more = (other.infer - known.infer) / num_steps  # of one step of one environment
    (few, few_seconds), (many, many_seconds) = costs.act
    act = (few, max(0.0, few_seconds + more * few)), (many, max(0.0, many_seconds + more * many))
    return replace(costs, act=act, learn={n: x * other.learn / known.learn for n, x in costs.learn.items()})


def batch_seconds(cfgs: DictConfig, agent: Agent) -> float:
    """Return the seconds of one update of a whole batch; of a small one, multiplied, where it takes long."""
    few, whole = few_envs(cfgs), cfgs.batch_size
    if agent.device.type == "cpu":  # a few would not fill an accelerator
        seconds = measurement.update_seconds(cfgs, agent, few) * whole / few
        if few == whole or seconds >= _LONG_SECONDS:
            return seconds
    return measurement.update_seconds(cfgs, agent, whole)


def few_envs(cfgs: DictConfig) -> int:
    """Return the size of a batch that shows how long updates are without taking long.

    An eighth, but so many steps that the optimizer, which costs the same for any batch, does not hide it.
    """
    least = -(-_FEW_STEPS // cfgs.rollout_length)
    return min(cfgs.batch_size, max(cfgs.batch_size // 8, least))


def _measured(cfgs: DictConfig, trial: Trial) -> Trial:
    learn = batch_seconds(cfgs, trial.agent) * cfgs.updates_per_batch
    infer = measurement.inference_seconds(cfgs, trial.agent, cfgs.batch_size) * cfgs.rollout_length
    return replace(trial, learn=learn, infer=infer)


def _less(first: Trial, second: Trial) -> Trial:
    return replace(first, learn=min(first.learn, second.learn), infer=min(first.infer, second.infer))


def _with_precision(cfgs: DictConfig, name: str) -> DictConfig:
    return cast(DictConfig, OmegaConf.merge(cfgs, {"precision": name}))
