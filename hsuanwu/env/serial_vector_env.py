"""Single environments stepped one after the other."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, final

import gymnasium
import numpy as np

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.common.interrupts import is_interruption
from hsuanwu.common.nest import Nest, leaves, map_nest
from hsuanwu.common.protocols import Array, Step
from hsuanwu.common.seeding import derive_seed
from hsuanwu.env.action import action_converter
from hsuanwu.env.answer import as_flag, as_reward, check_rewards, wrong_step
from hsuanwu.env.episodes import Episodes
from hsuanwu.env.fault import WrongAnswer, blamed, close_quietly, fault_of
from hsuanwu.env.info import numbers_at_end
from hsuanwu.env.observation import empty_batch, observation_reader, plain_views, row_views
from hsuanwu.env.single_env import SingleEnv

_LARGE = 8192
"""Bytes of one observation from which a second copy costs more than new views of the rows."""

_NO, _ALL = np.False_, slice(None)
_UNASKED = object()


@final
class SerialVectorEnv:
    """``B`` single environments as one vector environment in next-step autoreset form.

    Observations are copied into arrays that are made once, each as soon as it is there, so that it does
    not matter whether an environment gives a new array or always the same one, its own or one that all
    environments of a thread share. Environment ``i`` is seeded with ``derive_seed(seed, i)``.

    Every answer is checked against the spaces. What an environment raises, and what it answers wrongly, becomes an
    ``EnvironmentFault`` that names the environment, the episode and the step.

    Args:
        envs: environments of the same spaces; at least one.

    Raises:
        ConfigurationError: if there is none, their spaces differ, or actions are a Dict.
    """

    def __init__(self, envs: Sequence[SingleEnv]) -> None:
        if not envs:
            raise ConfigurationError("env: a vector environment needs at least 1 environment, found none")
        self._envs = list(envs)
        self.name, self.frames_per_second, self.num_envs = envs[0].name, envs[0].frames_per_second, len(self._envs)
        self.observation_space, self.action_space = envs[0].observation_space, envs[0].action_space
        for env in self._envs:
            if (env.observation_space, env.action_space) != (self.observation_space, self.action_space):
                raise ConfigurationError("env: environments of one vector must have the same spaces; these differ")
        self._convert = action_converter(envs[0].native_action_space)
        self._reader = observation_reader(self.observation_space)
        observation = empty_batch(self.observation_space, self.num_envs)
        self._rows, self._views = row_views(observation), plain_views(self.observation_space, observation)
        self._no_views: list[memoryview | None] = [None] * self.num_envs
        self._is_large = sum(array[0].nbytes for array in leaves(observation)) >= _LARGE
        self._gained, self._reward = np.zeros(self.num_envs), np.zeros(self.num_envs, np.float32)
        self._gained_view: Any = self._gained.data  # takes a float in half the time of the array
        self._terminated = np.zeros(self.num_envs, np.bool_)
        self._truncated = np.zeros(self.num_envs, np.bool_)
        self._infos: list[tuple[int, dict[str, float]]] = []
        self._answer = Step(observation, self._reward, self._terminated, self._truncated)
        # what the next action calls: step, or reset after an end; empty before the first reset
        self._steps: list[Callable[[Any], Any]] = []
        self._episodes = Episodes(self.num_envs)
        self._is_closed = False

    def reset(self, seed: int) -> Nest:
        """Start a new episode everywhere; return ``[B, ...]`` observations."""
        for i in range(self.num_envs):
            self._begin(i, derive_seed(seed, i))
        return self._started()

    def reset_staggered(self, seed: int, num_steps: int) -> Nest:
        """Start a new episode everywhere and play less than ``num_steps`` random actions, a random number in each."""
        space = self._envs[0].native_action_space.to_gymnasium()
        random = np.random.default_rng(derive_seed(seed, "stagger"))
        space.seed(derive_seed(seed, "stagger", "action"))
        for i in range(self.num_envs):
            self._begin(i, derive_seed(seed, i))
            for _ in range(int(random.integers(num_steps))):
                if self._ends(i, space.sample()):
                    self._begin(i, None)
        return self._started()

    def _ends(self, i: int, action: Any) -> bool:
        """Apply a native action in one environment; return whether its episode ended."""
        answer, is_last = _UNASKED, self._episodes.advance_alone(i)
        try:
            answer = self._envs[i].step(action)
            observation, gained, terminated, truncated, _ = answer
            self._reader.write(self._rows[i], observation)
            as_reward(gained)
            return as_flag("terminated", terminated) | as_flag("truncated", truncated) | is_last
        except BaseException as error:
            if is_interruption(error):
                raise
            raise self._fault(i, error, answer) from error

    def _begin(self, i: int, seed: int | None) -> None:
        """Reset one environment and show its first observation."""
        self._episodes.begin(i, self._envs[i].time_limit)
        try:
            self._reader.write(self._rows[i], self._envs[i].reset(seed))
        except BaseException as error:
            if is_interruption(error):
                raise
            raise self._fault(i, error, _UNASKED, "reset") from error

    def _started(self) -> Nest:
        self._steps = [env.step for env in self._envs]
        self._terminated[:] = self._truncated[:] = False
        self._gained[:] = 0
        self._check_values(self._answer.observation)
        return self._answer.observation

    def step(self, action: Array) -> Step:
        """Step each environment, or reset it if it has just ended."""
        self._play(action, self._rows, self._views)
        self._check_values(self._answer.observation)
        return Step(self._answer.observation, self._reward, self._terminated, self._truncated, self._infos)

    def step_into(self, action: Array, observation: Nest) -> Step:
        """Do as ``step`` does, but show the observations in arrays of the caller.

        Args:
            action: as for ``step``.
            observation: ``[B, ...]`` arrays of the form and the dtypes of the observation space, which are overwritten.
        """
        if self._is_large:
            self._play(action, row_views(observation), self._no_views)
            self._check_values(observation)
        else:
            map_nest(np.copyto, observation, self.step(action).observation)
        return Step(observation, self._reward, self._terminated, self._truncated, self._infos)

    def _play(self, action: Array, rows: list[Any], views: list[memoryview | None]) -> None:
        """Step or reset each environment; keep what it answers, its observation in its row.

        This is where the time of an actor with Python environments goes: what nearly every answer is comes first. A
        view takes an observation of its own dtype and shape alone, in less time than numpy, which converts and
        broadcasts.
        """
        steps, gained, write = self._steps, self._gained_view, self._reader.write
        native = self._convert(action)
        if not len(native) == len(rows) == len(steps):
            raise _misuse(self.num_envs, bool(steps), len(native), len(rows))
        for i in self._episodes.advance():
            steps[i] = functools.partial(_truncated, self._envs[i])
        self._infos = []
        i, answer = 0, _UNASKED
        try:
            # a row of native is what space.sample() gives, numpy's int64; gymnasium checks it faster than an int
            for i, step, row_action, view in zip(range(self.num_envs), steps, native, views, strict=False):
                answer = step(row_action)
                observation, reward, terminated, truncated, info = answer
                if view is None:
                    write(rows[i], observation)
                else:
                    try:
                        view[_ALL] = observation
                    except Exception:
                        write(rows[i], observation)
                        views[i] = None  # as it came this time it will come again
                gained[i] = reward if type(reward) is float else as_reward(reward)
                if terminated is not False or truncated is not False:
                    self._note_flags(i, terminated, truncated, info)
        except BaseException as error:
            if is_interruption(error):
                raise
            raise self._fault(i, error, answer) from error

    def _note_flags(self, i: int, terminated: Any, truncated: Any, info: Any) -> None:
        """Take note of flags that are not both Python's False, and at an end of what the environment tells then."""
        if terminated is _NO and truncated is _NO:
            return
        is_over = terminated if type(terminated) is bool else as_flag("terminated", terminated)
        is_cut = truncated if type(truncated) is bool else as_flag("truncated", truncated)
        self._terminated[i], self._truncated[i] = is_over, is_cut
        if is_over or is_cut:
            self._episodes.end(i)
            self._steps[i] = functools.partial(self._restart, i)
            self._infos += numbers_at_end(i, info)

    def _restart(self, i: int, _: Any) -> tuple[Any, float, bool, bool, None]:
        """Reset an environment instead of stepping it."""
        self._episodes.begin(i, self._envs[i].time_limit)
        try:
            observation = self._envs[i].reset()
        except BaseException as error:
            if is_interruption(error):
                raise
            raise fault_of(error, "reset") from error
        self._steps[i] = self._envs[i].step
        self._terminated[i] = self._truncated[i] = False
        return observation, 0.0, False, False, None

    def _check_values(self, observation: Nest) -> None:
        try:
            self._reader.check_finite(observation)
            check_rewards(self._gained)
        except WrongAnswer as error:
            raise self._fault(error.row or 0, error, _UNASKED) from error
        self._reward[:] = self._gained

    def _fault(self, i: int, error: BaseException, answer: Any, doing: str = "step") -> EnvironmentFault:
        """Return the fault that an exception is which came out of environment ``i``, or of its answer."""
        if answer is not _UNASKED and not isinstance(error, (WrongAnswer, EnvironmentFault)):
            error = wrong_step(answer) or error
        fault = fault_of(error, doing)
        fault.name, fault.index, fault.moment = self._envs[i].name, i, self._episodes.moment(i)
        return fault

    def render(self) -> Array:
        """Return a picture of environment 0."""
        with blamed("render", self.name):
            return self._envs[0].render()

    def close(self) -> None:
        """Close all environments, once; what one raises then is a warning."""
        if not self._is_closed:
            self._is_closed = True
            for env in reversed(self._envs):
                close_quietly(env, self.name)


def _truncated(env: SingleEnv, action: Any) -> tuple[Any, Any, Any, bool, Any]:
    """Make the step that brings an environment to its time limit."""
    answer = env.step(action)
    if problem := wrong_step(answer):
        raise problem
    observation, reward, terminated, _, info = answer
    return observation, reward, terminated, True, info


def _misuse(num_envs: int, has_begun: bool, num_actions: int, num_rows: int) -> Exception:
    if not has_begun:
        return gymnasium.error.ResetNeeded("env: found a step before the first reset; call reset(seed) first")
    return ValueError(
        f"env: {num_envs} environments need as many actions and rows of observations, "
        f"found {num_actions} and {num_rows}"
    )
