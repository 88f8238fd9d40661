"""How long the parts of a run take on this machine: a step of an actor, inference alone, an update."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import closing
from time import perf_counter, process_time
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.nest import map_nest
from hsuanwu.common.seeding import make_generator
from hsuanwu.common.slot import Slot
from hsuanwu.common.trajectory import Trajectory, concatenate, trajectory_specs
from hsuanwu.engine.build import Agent, actor_device, timeout_seconds
from hsuanwu.env.visit import visit
from hsuanwu.runtime.actor import Actor
from hsuanwu.runtime.transport import ActorEnd
from hsuanwu.runtime.weights import WeightBoard, Weights
from hsuanwu.xploit.storage import TrajectoryStorage

_ROLLOUT_LENGTH = 4
_ENOUGH_SECONDS = 0.2
_ENOUGH_RUNS = 20
_LONG_SECONDS = 1.0
_EPISODE_LENGTH = 32
"""Of short episodes, as they are at the beginning of a run."""


def act_seconds(cfgs: DictConfig, agent: Agent, num_envs: int) -> float:
    """Return the seconds of one step of ``num_envs`` environments: an actor runs, as it will later.

    Raises:
        EnvironmentFault: if the environment fails.
    """
    spaces = agent.observation_space, agent.action_space
    policy = agent.learner.actor
    storage = TrajectoryStorage(*spaces, _ROLLOUT_LENGTH, num_envs, 1, policy.state_spec, shared=False)
    actor = Actor(agent.env_factory, policy, num_envs, _ROLLOUT_LENGTH, cfgs.seed, device=actor_device(cfgs, agent))
    with visit("measurement", timeout_seconds(cfgs)) as alarm:
        rollouts = actor.run(_EndlessEnd(storage.slot(0)), 0)

        def fill() -> None:
            alarm.renew()
            next(rollouts)

        with closing(rollouts):  # type: ignore[type-var]
            return _fastest(fill, perf_counter) / _ROLLOUT_LENGTH


def inference_seconds(cfgs: DictConfig, agent: Agent, num_envs: int) -> float:
    """Return the seconds in which the policy acts once in ``num_envs`` environments; 0 where an accelerator does it."""
    if actor_device(cfgs, agent).type != "cpu":
        return 0.0
    policy, batch = agent.learner.actor, _blank_batch(cfgs, agent, num_envs)
    observation = map_nest(lambda x: x[0], batch.observation)
    rest = batch.is_first[0], batch.last_action[0], batch.last_reward[0], policy.init_state(num_envs)
    generator = make_generator(cfgs.seed)
    with torch.inference_mode():
        return _fastest(lambda: policy.act(observation, *rest, generator), perf_counter)


def update_seconds(cfgs: DictConfig, agent: Agent, num_envs: int) -> float:
    """Return the seconds of an update of ``num_envs`` environments: of all that the learner does with a batch."""
    settings = OmegaConf.to_container(cfgs, resolve=True)
    batch = _blank_batch(cfgs, agent, num_envs)
    copy, board = batch.map(torch.clone), WeightBoard(agent.learner.actor.state_dict(), shared=False)
    versions = itertools.count()

    def work() -> None:
        concatenate([batch], copy)
        _update(settings, agent, copy)
        board.publish(Weights(next(versions), agent.learner.actor.state_dict()))

    # on the CPU others may be at work just now: what counts is the work itself, and one thread waits for nothing
    clock = process_time if agent.device.type == "cpu" and torch.get_num_threads() == 1 else perf_counter
    return _fastest(work, clock)


def _update(settings: Any, agent: Agent, batch: Trajectory) -> None:
    learner = agent.learner
    learner.update(settings, learner.actor, learner.learner, batch, batch.init_state, learner.optimizer, None)


def _blank_batch(cfgs: DictConfig, agent: Agent, num_envs: int) -> Trajectory:
    specs = trajectory_specs(
        agent.observation_space, agent.action_space, cfgs.rollout_length, num_envs, agent.learner.actor.state_spec
    )
    batch = specs.map(lambda spec: torch.zeros(spec.shape, dtype=spec.dtype))
    batch.valid.fill_(True)
    batch.is_first[_rows_of_first_steps(cfgs.rollout_length, num_envs)] = True
    return batch


def _rows_of_first_steps(rollout_length: int, num_envs: int) -> list[int]:
    """Return rows in which episodes begin, evenly spread: a recurrent network is unrolled between them.

    As many as are to be expected where each environment begins one every ``_EPISODE_LENGTH`` steps.
    """
    share = 1.0 - (1.0 - 1.0 / _EPISODE_LENGTH) ** num_envs
    number = max(1, round(share * rollout_length))
    return [(i + 1) * rollout_length // (number + 1) for i in range(number)]


def _fastest(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Return the seconds of the fastest of a few runs, or of one that takes long; the first of all warms up."""
    work()
    fastest, spent, runs = float("inf"), 0.0, 0
    while runs < (1 if spent > _LONG_SECONDS else 2) or (spent < _ENOUGH_SECONDS and runs < _ENOUGH_RUNS):
        start = clock()
        work()
        seconds = clock() - start
        fastest, spent, runs = min(fastest, seconds), spent + seconds, runs + 1
    return fastest


class _EndlessEnd(ActorEnd):
    """Gives an actor the same slot again and again."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def acquire(self) -> Slot | None:
        return self._slot

    def commit(self, slot: Slot) -> None:
        pass

    def weights(self, newer_than: int) -> Weights | None:
        return None
