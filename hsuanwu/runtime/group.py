"""Environments that are stepped together with one forward pass, and what they carry from slot to slot."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.protocols import Array, StaggeringVectorEnv, Step, VectorEnv
from hsuanwu.common.slot import sum_outcomes
from hsuanwu.runtime.inference import make_inference
from hsuanwu.runtime.slot_view import SlotView, seen
from hsuanwu.xploit.policy.base import Policy


class Group:
    """A vector of environments, its recurrent state and its running episodes.

    Args:
        env: the environments.
        policy: acts; shared with other groups.
        seed: of the environments.
        stagger_steps: above 0, environments begin with less than so many random actions, another number each; the
            episodes that begin so are not counted.

    Raises:
        ConfigurationError: if ``stagger_steps`` is above 0 and the environments can only step together.
    """

    def __init__(self, env: VectorEnv, policy: Policy, seed: int, stagger_steps: int = 0) -> None:
        self.env, num_envs = env, env.num_envs
        self._first_row = (
            _begin(env, seed, stagger_steps),
            np.ones(num_envs, bool),
            np.zeros((num_envs, *env.action_space.shape), env.action_space.dtype),
            np.zeros(num_envs, np.float32),
        )
        self._inference = make_inference(policy, num_envs)
        self._has_ended = np.zeros(num_envs, bool)
        self._episode_return = np.zeros(num_envs)
        self._episode_length = np.zeros(num_envs, np.int64)
        self._is_whole = np.full(num_envs, not stagger_steps)  # whether the policy has played all of it

    def begin(self, view: SlotView, version: int) -> None:
        """Write what stands before row 0, and what is seen in it."""
        view.trajectory.policy_version.fill_(version)
        map_nest(lambda target, x: target.copy_(x), view.trajectory.init_state, self._inference.state)
        view.episode_return.fill(0)
        view.episode_length.fill(0)
        view.outcomes, view.ends = {}, [0, 0, 0]
        map_nest(lambda target, x: np.copyto(target[0], x), seen(view.arrays), self._first_row)

    def act(self, view: SlotView, t: int, generator: torch.Generator) -> Array:
        """Write the actions of row t and their log-probabilities, and return the actions."""
        action, log_prob = self._inference.act(view.seen[t], generator)
        view.action[t].copy_(action)
        view.log_prob[t].copy_(log_prob)
        actions: Array = view.arrays.action[t]
        return actions

    def record(self, view: SlotView, t: int, result: Step) -> None:
        """Write the outcome of the action of row t, and what is seen in the row after it."""
        rows, is_first = view.arrays, self._has_ended
        self._has_ended = result.terminated | result.truncated
        np.logical_not(is_first, out=rows.valid[t])
        rows.reward[t], rows.terminated[t], rows.truncated[t] = result.reward, result.terminated, result.truncated
        if result.observation is not view.next_observation[t]:
            map_nest(np.copyto, view.next_observation[t], result.observation)
        rows.is_first[t + 1] = is_first
        rows.last_action[t + 1] = rows.action[t]
        rows.last_reward[t + 1] = rows.reward[t]
        if is_first.any():
            rows.last_action[t + 1, is_first] = 0
            rows.last_reward[t + 1, is_first] = 0
        self._count_episodes(view, t, result)

    def finish(self, view: SlotView) -> None:
        """Keep the last row: it is the first of the next slot; add up how episodes ended."""
        count, terminated, truncated = view.ends
        if count:
            view.outcomes |= {"terminated": (count, float(terminated)), "truncated": (count, float(truncated))}
        self._first_row = map_nest(lambda x: x[-1].copy(), seen(view.arrays))

    def _count_episodes(self, view: SlotView, t: int, result: Step) -> None:
        """Keep returns and lengths, raw and undiscounted, and write those of the episodes that ended."""
        self._episode_return += result.reward
        self._episode_length += view.arrays.valid[t]
        ended = self._has_ended
        if ended.any():
            told = ended & self._is_whole
            np.multiply(self._episode_return, told, out=view.episode_return[t])
            np.multiply(self._episode_length, told, out=view.episode_length[t])
            _count_outcomes(view, told, result)
            self._episode_return[ended] = 0
            self._episode_length[ended] = 0
            self._is_whole |= ended


def _count_outcomes(view: SlotView, told: Array, result: Step) -> None:
    """Add what the episodes that ended told of themselves, of the environments ``told``."""
    ends = view.ends
    ends[0] += int(np.count_nonzero(told))
    ends[1] += int(np.count_nonzero(told & result.terminated))
    ends[2] += int(np.count_nonzero(told & result.truncated))
    if result.infos:
        infos = [{f"info_{name}": (1, x) for name, x in numbers.items()} for i, numbers in result.infos if told[i]]
        view.outcomes = sum_outcomes([view.outcomes, *infos])


def check_stagger(env: VectorEnv, stagger_steps: int) -> None:
    """Check that environments can begin with different numbers of steps, if they shall.

    Raises:
        ConfigurationError: if ``stagger_steps`` is above 0 and the environments can only step together.
    """
    if stagger_steps and not isinstance(env, StaggeringVectorEnv):
        raise ConfigurationError(
            f"stagger_steps: found {stagger_steps}, but these environments can only be stepped together; use 0, or "
            "env.native_vector=false"
        )


def _begin(env: VectorEnv, seed: int, stagger_steps: int) -> Nest:
    check_stagger(env, stagger_steps)
    return cast(StaggeringVectorEnv, env).reset_staggered(seed, stagger_steps) if stagger_steps else env.reset(seed)
