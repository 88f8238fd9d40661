"""Single environments stepped one after the other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, final

import gymnasium
import numpy as np

from hsuanwu.common.closing import close_all
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest, leaves, map_nest
from hsuanwu.common.protocols import Array, Step
from hsuanwu.common.seeding import derive_seed
from hsuanwu.env.action import action_converter
from hsuanwu.env.observation import check_answer, check_observation, empty_batch, row_views, starts
from hsuanwu.env.single_env import SingleEnv

_LARGE = 8192
"""Bytes of one observation from which a second copy costs more than new views of the rows."""


@final
class SerialVectorEnv:
    """``B`` single environments as one vector environment in next-step autoreset form.

    Observations are copied into arrays that are made once, each as soon as it is there, so that it does
    not matter whether an environment gives a new array or always the same one, its own or one that all
    environments of a thread share. Environment ``i`` is seeded with ``derive_seed(seed, i)``.

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
        observation = empty_batch(self.observation_space, self.num_envs)
        self._rows, self._starts = row_views(observation), starts(self.observation_space, observation)
        self._is_large = sum(array[0].nbytes for array in leaves(observation)) >= _LARGE
        self._reward = np.zeros(self.num_envs, np.float32)
        self._terminated = np.zeros(self.num_envs, np.bool_)
        self._truncated = np.zeros(self.num_envs, np.bool_)
        self._answer = Step(observation, self._reward, self._terminated, self._truncated)
        # what the next action calls: step, or reset after an end; empty before the first reset
        self._steps: list[Callable[[Any], Any]] = []
        self._is_closed = False

    def reset(self, seed: int) -> Nest:
        """Start a new episode everywhere; return ``[B, ...]`` observations."""
        return self._start(seed, lambda env, observation: observation)

    def reset_staggered(self, seed: int, num_steps: int) -> Nest:
        """Start a new episode everywhere and play less than ``num_steps`` random actions, another number in each."""
        space = self._envs[0].native_action_space.to_gymnasium()
        random = np.random.default_rng(derive_seed(seed, "stagger"))
        space.seed(derive_seed(seed, "stagger", "action"))

        def play(env: SingleEnv, observation: Any) -> Any:
            for _ in range(int(random.integers(num_steps))):
                answer = env.step(space.sample())
                observation = env.reset() if answer[2] or answer[3] else answer[0]
            return observation

        return self._start(seed, play)

    def _start(self, seed: int, play: Callable[[SingleEnv, Any], Any]) -> Nest:
        """Reset each environment and keep what ``play`` makes of its first observation."""
        for i, env in enumerate(self._envs):
            observation = env.reset(derive_seed(seed, i))
            check_observation(self.observation_space, observation)
            self._rows[i][()] = play(env, observation)
        self._steps = [functools.partial(self._first_step, i) for i in range(self.num_envs)]
        self._terminated[:] = self._truncated[:] = False
        _count_from_zero(self._starts)
        return self._answer.observation

    def step(self, action: Array) -> Step:
        """Step each environment, or reset it if it has just ended."""
        self._play(action, self._rows)
        _count_from_zero(self._starts)
        return self._answer

    def step_into(self, action: Array, observation: Nest) -> Step:
        """Do as ``step`` does, but show the observations in arrays of the caller.

        Args:
            action: as for ``step``.
            observation: ``[B, ...]`` arrays of the form and the dtypes of the observation space, which are overwritten.
        """
        if self._is_large:
            self._play(action, row_views(observation))
            _count_from_zero(starts(self.observation_space, observation))
        else:
            map_nest(np.copyto, observation, self.step(action).observation)
        return self._answer._replace(observation=observation)

    def _play(self, action: Array, rows: list[Any]) -> None:
        """Step or reset each environment; keep what it answers, its observation in its row.

        This is where the time of an actor with Python environments goes.
        """
        steps, reward = self._steps, self._reward
        native = self._convert(action)
        if not len(native) == len(rows) == len(steps):
            raise self._misuse(native, rows)
        # a row of native is what space.sample() gives, numpy's int64 say; gymnasium checks it faster than an int
        for i, step, row_action, row in zip(range(self.num_envs), steps, native, rows, strict=False):
            answer = step(row_action)
            row[()] = answer[0]
            reward[i] = answer[1]
            if answer[2] or answer[3]:
                self._terminated[i], self._truncated[i] = answer[2], answer[3]
                steps[i] = functools.partial(self._restart, i)

    def _first_step(self, index: int, action: Any) -> Any:
        """Step an environment and look at what it answers; at later answers nobody looks."""
        step = self._steps[index] = self._envs[index].step
        answer = step(action)
        check_answer(self.observation_space, answer)
        return answer

    def _restart(self, index: int, _: Any) -> tuple[Any, float, bool, bool]:
        """Reset an environment instead of stepping it."""
        observation = self._envs[index].reset()
        self._steps[index] = self._envs[index].step
        self._terminated[index] = self._truncated[index] = False
        return observation, 0.0, False, False

    def _misuse(self, native: Array, rows: list[Any]) -> Exception:
        if not self._steps:
            return gymnasium.error.ResetNeeded("env: found a step before the first reset; call reset(seed) first")
        return ValueError(
            f"env: {self.num_envs} environments need as many actions and rows of observations, "
            f"found {len(native)} and {len(rows)}"
        )

    def render(self) -> Array:
        """Return a picture of environment 0."""
        return self._envs[0].render()

    def close(self) -> None:
        """Close all environments, once."""
        if not self._is_closed:
            self._is_closed = True
            close_all(self._envs)


def _count_from_zero(pairs: list[tuple[Array, Any]]) -> None:
    for array, start in pairs:
        array -= start
