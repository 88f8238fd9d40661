"""Evaluation: true returns of a fixed policy, undiscounted and unclipped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from hsuanwu.common.deadline import Deadline
from hsuanwu.common.nest import map_nest
from hsuanwu.common.process_settings import seed_global_generators
from hsuanwu.common.protocols import EnvFactory, VectorEnv
from hsuanwu.common.seeding import derive_seed, make_generator
from hsuanwu.engine.threads import threads
from hsuanwu.env.info import MOST_NAMES
from hsuanwu.env.visit import visit
from hsuanwu.runtime.transport.base import DEFAULT_TIMEOUT
from hsuanwu.xploit.policy import Policy

OnFrame = Callable[[np.ndarray[Any, Any], "float | None"], None]

EPISODES = 100
"""Default number of evaluation episodes."""

MAX_ENVS = 128

MOST_STEPS = 108_000
"""Step limit of one episode, so that an environment that never ends one cannot hang an evaluation."""
MANY_STEPS = 30_000
"""Steps in which most episodes end: one of Atari's that nobody plays is over after 27,000."""
_FEW_STEPS = 1_000
"""Least limit of an episode, however short training was."""
_LONGER = 10
"""Times as long as in training that an episode of an evaluation may be."""


@dataclass(frozen=True)
class Evaluation:
    """Returns and lengths of evaluated episodes.

    Attributes:
        returns: undiscounted raw return of each episode that ended.
        lengths: environment steps of each.
        unfinished: episodes that were left because they did not end in time.
        most_steps: the time that they had; 0 if none was begun, for none has ended in training either.
        info: mean of each number of their last ``info``, over the episodes that told it.
    """

    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    unfinished: int = 0
    most_steps: int = MOST_STEPS
    info: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return ``episodes``, and of ``episode_return`` and ``episode_length`` the mean, std, min and max.

        The four are None where no episode ended; ``unfinished`` is there if some did not, and ``info`` if the
        environment told any numbers.
        """
        found: dict[str, Any] = {
            "episodes": len(self.returns),
            "episode_return": _statistics(self.returns),
            "episode_length": _statistics(self.lengths),
        }
        found |= {"unfinished": self.unfinished} if self.unfinished else {}
        return found | {"info": dict(self.info)} if self.info else found

    @property
    def doubt(self) -> str | None:
        """A line about episodes that did not end; None if all did."""
        if not self.unfinished:
            return None
        if not self.most_steps:
            return "nothing was evaluated, for no episode has ended in training"
        return (
            f"{self.unfinished} of {self.unfinished + len(self.returns)} evaluation episodes had not ended after "
            f"{self.most_steps:,} steps and are left out; let the environment truncate episodes "
            "(env.kwargs.max_episode_steps=1000 in gymnasium, for example)"
        )

    def metrics(self) -> dict[str, float]:
        """Return the same as one level of names, ``eval_episode_return`` and so on, for a line of the log."""
        line: dict[str, float] = {"eval_episodes": len(self.returns)}
        if self.unfinished:
            line["eval_unfinished"] = self.unfinished
        figures = self.to_dict()
        for name in ("episode_return", "episode_length") if self.returns else ():
            statistics = figures[name]
            line[f"eval_{name}"] = statistics.pop("mean")
            line |= {f"eval_{name}_{statistic}": value for statistic, value in statistics.items()}
        return line | {f"eval_info_{name}": value for name, value in self.info.items()}


def most_steps(longest: int, steps: int = MANY_STEPS) -> int:
    """Return the step limit of an evaluation's episodes.

    Args:
        longest: steps of the longest episode that ended in training; 0 if none did.
        steps: of each environment in training, which count if no episode ended.
    """
    if longest:
        return min(MOST_STEPS, max(MANY_STEPS, _LONGER * longest))
    return min(MANY_STEPS, max(_FEW_STEPS, _LONGER * steps))


def evaluate(
    policy: Policy,
    env_factory: EnvFactory,
    episodes: int,
    seed: int,
    *,
    deterministic: bool = True,
    on_frame: OnFrame | None = None,
    limit: int = MOST_STEPS,
    timeout_seconds: float = DEFAULT_TIMEOUT,
) -> Evaluation:
    """Return what ``policy`` reaches in ``episodes`` whole episodes.

    Each environment plays a fixed number of episodes, so that short ones are not preferred; one whose episode does
    not end plays no further one.

    Args:
        policy: acts on the CPU; it is put in evaluation mode.
        env_factory: builds the environments.
        episodes: how many episodes; at least 1.
        seed: of environments and actions.
        deterministic: take the mode of each distribution; else sample.
        on_frame: is given a picture, ``[height, width, 3]`` uint8, of every step, and how many of them are a second
            where the environment says so; one environment is used then.
        limit: steps after which an episode is left unfinished; 0 to begin none.
        timeout_seconds: how long the environments may take to be built, and for each step.

    Raises:
        EnvironmentFault: if an environment fails.
    """
    if not limit:
        return Evaluation((), (), episodes, limit)
    num_envs = 1 if on_frame else min(episodes, MAX_ENVS)
    quotas = np.full(num_envs, episodes // num_envs)
    quotas[: episodes % num_envs] += 1
    # batches are small: a second thread wins little, and beside other programs each waits for the other
    with visit("evaluation", timeout_seconds) as alarm, threads(1):
        seed_global_generators(derive_seed(seed, "evaluation", "global"))
        with closing(env_factory(num_envs, render=on_frame is not None)) as env:
            return _play(policy.eval(), env, quotas, seed, deterministic, on_frame, limit, alarm)


@torch.inference_mode()
def _play(
    policy: Policy,
    env: VectorEnv,
    quotas: np.ndarray[Any, Any],
    seed: int,
    deterministic: bool,
    on_frame: OnFrame | None,
    limit: int,
    alarm: Deadline,
) -> Evaluation:
    num_envs, unfinished = env.num_envs, 0
    generator = make_generator(derive_seed(seed, "evaluation", "policy"))
    observation = env.reset(derive_seed(seed, "evaluation", "environment"))
    state = policy.init_state(num_envs)
    is_first, has_ended = np.ones(num_envs, bool), np.zeros(num_envs, bool)
    action = np.zeros((num_envs, *env.action_space.shape), env.action_space.dtype)
    reward, episode_return, episode_length = np.zeros(num_envs), np.zeros(num_envs), np.zeros(num_envs, np.int64)
    returns: list[float] = []
    lengths: list[int] = []
    told: dict[str, list[float]] = defaultdict(list)
    while quotas.any():
        alarm.renew()
        if on_frame is not None and not has_ended[0]:
            on_frame(env.render(), getattr(env, "frames_per_second", None))
        row = map_nest(torch.as_tensor, (observation, is_first, action, reward.astype(np.float32)))
        step = policy.act(row[0], row[1], row[2], row[3], state, generator, deterministic)
        state, action = step.state, step.action.numpy().astype(env.action_space.dtype)
        result = env.step(action)
        observation, is_first = result.observation, has_ended
        has_ended = result.terminated | result.truncated
        reward = np.where(is_first, 0.0, result.reward)
        action = np.where(is_first.reshape(-1, *[1] * (action.ndim - 1)), 0, action)
        episode_return += reward
        episode_length += ~is_first
        for index, numbers in result.infos:
            for name in numbers if quotas[index] else ():
                if name in told or len(told) < MOST_NAMES:
                    told[name].append(numbers[name])
        for i in np.flatnonzero(has_ended):
            if quotas[i]:
                quotas[i] -= 1
                returns.append(float(episode_return[i]))
                lengths.append(int(episode_length[i]))
        episode_return[has_ended], episode_length[has_ended] = 0, 0
        endless = (episode_length >= limit) & (quotas > 0)
        if endless.any():
            unfinished += int(quotas[endless].sum())
            quotas[endless] = 0
    info = {name: float(np.mean(values)) for name, values in told.items()}
    return Evaluation(tuple(returns), tuple(lengths), unfinished, limit, info)


def _statistics(values: tuple[float, ...]) -> dict[str, float | None]:
    if not values:
        return dict.fromkeys(("mean", "std", "min", "max"))
    x = np.asarray(values, float)
    return {"mean": float(x.mean()), "std": float(x.std()), "min": float(x.min()), "max": float(x.max())}
