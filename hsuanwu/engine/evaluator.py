"""Evaluation: true returns of a fixed policy, undiscounted and unclipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import map_nest
from hsuanwu.common.protocols import EnvFactory, VectorEnv
from hsuanwu.common.seeding import derive_seed, make_generator
from hsuanwu.engine.threads import threads
from hsuanwu.xploit.policy import Policy

EPISODES = 100
"""How many are played where nobody says."""

MAX_ENVS = 128

_MOST_STEPS = 108_000
"""Of one episode: an environment that never ends one would be waited for for ever."""


@dataclass(frozen=True)
class Evaluation:
    """What some episodes gave.

    Attributes:
        returns: undiscounted raw return of each episode.
        lengths: environment steps of each.
    """

    returns: tuple[float, ...]
    lengths: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return ``episodes``, and of ``episode_return`` and ``episode_length`` the mean, std, min and max."""
        return {
            "episodes": len(self.returns),
            "episode_return": _statistics(self.returns),
            "episode_length": _statistics(self.lengths),
        }

    def metrics(self) -> dict[str, float]:
        """Return the same as one level of names, ``eval_episode_return`` and so on, for a line of the log."""
        line: dict[str, float] = {"eval_episodes": len(self.returns)}
        figures = self.to_dict()
        for name in ("episode_return", "episode_length"):
            statistics = figures[name]
            line[f"eval_{name}"] = statistics.pop("mean")
            line |= {f"eval_{name}_{statistic}": value for statistic, value in statistics.items()}
        return line


def evaluate(
    policy: Policy,
    env_factory: EnvFactory,
    episodes: int,
    seed: int,
    *,
    deterministic: bool = True,
    on_frame: Callable[[np.ndarray[Any, Any]], None] | None = None,
) -> Evaluation:
    """Return what ``policy`` reaches in ``episodes`` whole episodes.

    Each environment plays a fixed number of episodes, so that short ones are not preferred.

    Args:
        policy: acts on the CPU; it is put in evaluation mode.
        env_factory: builds the environments.
        episodes: how many episodes; at least 1.
        seed: of environments and actions.
        deterministic: take the mode of each distribution; else sample.
        on_frame: is given a picture, ``[height, width, 3]`` uint8, of every step; one environment is used then.

    Raises:
        ConfigurationError: if an episode has not ended after 108,000 steps.
    """
    num_envs = 1 if on_frame else min(episodes, MAX_ENVS)
    env = env_factory(num_envs, render=on_frame is not None)
    try:
        quotas = np.full(num_envs, episodes // num_envs)
        quotas[: episodes % num_envs] += 1
        # batches are small: a second thread wins little, and beside other programs each waits for the other
        with threads(1):
            return _play(policy.eval(), env, quotas, seed, deterministic, on_frame)
    finally:
        env.close()


@torch.inference_mode()
def _play(
    policy: Policy,
    env: VectorEnv,
    quotas: np.ndarray[Any, Any],
    seed: int,
    deterministic: bool,
    on_frame: Callable[[np.ndarray[Any, Any]], None] | None,
) -> Evaluation:
    num_envs = env.num_envs
    generator = make_generator(derive_seed(seed, "evaluation", "policy"))
    observation = env.reset(derive_seed(seed, "evaluation", "environment"))
    state = policy.init_state(num_envs)
    is_first, has_ended = np.ones(num_envs, bool), np.zeros(num_envs, bool)
    action = np.zeros((num_envs, *env.action_space.shape), env.action_space.dtype)
    reward, episode_return, episode_length = np.zeros(num_envs), np.zeros(num_envs), np.zeros(num_envs, np.int64)
    returns: list[float] = []
    lengths: list[int] = []
    while quotas.any():
        if on_frame is not None and not has_ended[0]:
            on_frame(env.render())
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
        for i in np.flatnonzero(has_ended):
            if quotas[i]:
                quotas[i] -= 1
                returns.append(float(episode_return[i]))
                lengths.append(int(episode_length[i]))
        episode_return[has_ended], episode_length[has_ended] = 0, 0
        if (episode_length[quotas > 0] >= _MOST_STEPS).any():
            raise ConfigurationError(
                f"eval_episodes: an episode has not ended after {_MOST_STEPS:,} steps; let the environment "
                "truncate episodes (env.kwargs.max_episode_steps=1000 in gymnasium, say), or train with eval_episodes=0"
            )
    return Evaluation(tuple(returns), tuple(lengths))


def _statistics(values: tuple[float, ...]) -> dict[str, float]:
    x = np.asarray(values, float)
    return {"mean": float(x.mean()), "std": float(x.std()), "min": float(x.min()), "max": float(x.max())}
