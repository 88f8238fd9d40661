"""Single environments stepped one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.protocols import Array, Step
from hsuanwu.common.seeding import derive_seed
from hsuanwu.env.action import action_converter
from hsuanwu.env.observation import check_observation, empty_batch, starts, write_row
from hsuanwu.env.single_env import SingleEnv


@final
class SerialVectorEnv:
    """``B`` single environments as one vector environment in next-step autoreset form.

    Observations are copied into arrays that are made once, so that it does not matter whether an
    environment gives a new array or always the same one. Environment ``i`` is seeded with
    ``derive_seed(seed, i)``.

    Args:
        envs: environments of the same spaces; at least one.

    Raises:
        ConfigurationError: if there is none, their spaces differ, or actions are a Dict.
    """

    def __init__(self, envs: Sequence[SingleEnv]) -> None:
        if not envs:
            raise ConfigurationError("env: a vector environment needs at least 1 environment, found none")
        self._envs = list(envs)
        self.num_envs = len(self._envs)
        self.observation_space, self.action_space = envs[0].observation_space, envs[0].action_space
        for env in self._envs:
            if (env.observation_space, env.action_space) != (self.observation_space, self.action_space):
                raise ConfigurationError("env: environments of one vector must have the same spaces; these differ")
        self._convert = action_converter(envs[0].native_action_space)
        self._observation = empty_batch(self.observation_space, self.num_envs)
        self._starts = starts(self.observation_space, self._observation)
        self._reward = np.zeros(self.num_envs, np.float32)
        self._terminated = np.zeros(self.num_envs, np.bool_)
        self._truncated = np.zeros(self.num_envs, np.bool_)
        self._ended = [False] * self.num_envs
        self._is_closed = False

    def reset(self, seed: int) -> Nest:
        """Start a new episode everywhere; return ``[B, ...]`` observations."""
        for i, env in enumerate(self._envs):
            observation = env.reset(derive_seed(seed, i))
            check_observation(self.observation_space, observation)
            write_row(self._observation, i, observation)
        self._ended = [False] * self.num_envs
        return self._counted_from_zero()

    def step(self, action: Array) -> Step:
        """Step each environment, or reset it if it has just ended."""
        actions = self._convert(action)
        batch, ended = self._observation, self._ended
        for i, env in enumerate(self._envs):
            if ended[i]:
                observation, reward, terminated, truncated = env.reset(), 0.0, False, False
            else:
                observation, reward, terminated, truncated = env.step(actions[i])
            write_row(batch, i, observation)
            self._reward[i], self._terminated[i], self._truncated[i] = reward, terminated, truncated
            ended[i] = bool(terminated or truncated)
        return Step(self._counted_from_zero(), self._reward, self._terminated, self._truncated)

    def render(self) -> Array:
        """Return a picture of environment 0."""
        return self._envs[0].render()

    def close(self) -> None:
        """Close all environments, once."""
        if not self._is_closed:
            self._is_closed = True
            for env in self._envs:
                env.close()

    def _counted_from_zero(self) -> Nest:
        for array, start in self._starts:
            array -= start
        return self._observation
