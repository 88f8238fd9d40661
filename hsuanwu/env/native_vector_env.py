"""Environments that are vectors by themselves."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import TracebackType
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.protocols import Array, Step
from hsuanwu.common.registry import NO_KWARGS
from hsuanwu.common.seeding import derive_seed
from hsuanwu.env.action import action_converter
from hsuanwu.env.answer import first_observation, native_flags, native_rewards, wrong_step
from hsuanwu.env.fault import WrongAnswer, blamed, close_quietly
from hsuanwu.env.info import native_numbers
from hsuanwu.env.observation import observation_reader
from hsuanwu.env.pace import gymnasium_pace
from hsuanwu.env.picture import draw_first
from hsuanwu.env.single_env import declared_space, gymnasium_name


def autoreset_mode(env: gymnasium.vector.VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """Return how a gymnasium vector environment resets what has ended.

    Raises:
        ConfigurationError: if it does not say; to guess would spoil the data silently.
    """
    # metadata of a class that defines none is one dict shared by all such classes, whoever wrote into it
    is_shared = env.metadata is gymnasium.vector.VectorEnv.metadata
    mode = vars(env.unwrapped).get("autoreset_mode")
    if mode is None and not is_shared:
        mode = env.metadata.get("autoreset_mode")
    try:
        return AutoresetMode(mode)
    except ValueError as error:
        raise ConfigurationError(
            f"env: {type(env.unwrapped).__name__}.metadata['autoreset_mode'] is {mode!r}; it must be one of "
            f"{', '.join(str(m) for m in AutoresetMode)} (env.native_vector=false does without the native vector)"
        ) from error


def native_seed(seed: int) -> int:
    """Return the seed of a native vector environment, which may count on from it for each environment."""
    return derive_seed(seed, "native") // 2


@final
class NativeVectorEnv:
    """A ``gymnasium.vector.VectorEnv`` in next-step autoreset form.

    One of mode NEXT_STEP is passed through. One of mode DISABLED does not reset itself, and cannot hold one
    environment of several back: on the step after an end, what had ended is reset by
    ``reset(options={"reset_mask": mask})``, for nothing that has ended may be stepped; all are stepped; and it is
    reset once more, for the first observation of the new episode. So an episode of one step is played between any two,
    which nobody sees; a vector of one environment is just reset. One of mode SAME_STEP cannot show it at all, see
    ``as_vector_env``.

    Every answer is checked against the spaces. What the environment raises, and what it answers wrongly, becomes an
    ``EnvironmentFault``.

    Attributes:
        is_async: whether the environment has ``send`` and ``recv``, and steps in threads of its own between them.

    Args:
        env: the vector environment.
        reset_options: what each reset is given as ``options``; empty for none.

    Raises:
        ConfigurationError: if its autoreset mode is SAME_STEP or unknown, or a space is not supported.
    """

    def __init__(
        self, env: gymnasium.vector.VectorEnv[Any, Any, Any], reset_options: Mapping[str, Any] = NO_KWARGS
    ) -> None:
        mode = autoreset_mode(env)
        if mode is AutoresetMode.SAME_STEP:
            raise ConfigurationError(
                f"env: {type(env.unwrapped).__name__} is in mode SAME_STEP, which cannot pause one environment; "
                "use NEXT_STEP, or a list of vectors with num_envs=1"
            )
        self._env, self._resets_itself = env, mode is AutoresetMode.NEXT_STEP
        self.name, self.num_envs, self.frames_per_second = gymnasium_name(env), env.num_envs, gymnasium_pace(env)
        self._options = dict(reset_options)
        self.observation_space = declared_space(env, "single_observation_space", self.name)
        self.action_space = declared_space(env, "single_action_space", self.name)
        self._convert, self._reader = action_converter(self.action_space), observation_reader(self.observation_space)
        self._reward = np.zeros(self.num_envs, np.float32)
        self._terminated = np.zeros(self.num_envs, np.bool_)
        self._truncated = np.zeros(self.num_envs, np.bool_)
        self._ended = np.zeros(self.num_envs, np.bool_)
        self._time, self._begun, self._episode = 0, *np.zeros((2, self.num_envs), np.int64)
        self._has_ended = self._is_only_reset = self._is_closed = False
        self._resetting, self._stepping = _BlamedAt("reset", self), _BlamedAt("step", self)
        # a wrapper would not see what passes it by
        self.is_async = env is env.unwrapped and all(callable(getattr(env, name, None)) for name in ("send", "recv"))

    def reset(self, seed: int) -> Nest:
        """Start a new episode everywhere; return ``[B, ...]`` observations."""
        self._time, self._begun[:], self._ended[:], self._has_ended = 0, 0, False, False
        self._episode += 1
        with self._resetting:
            extra = {"options": copy.deepcopy(self._options)} if self._options else {}
            return self._read(first_observation(self._env.reset(seed=native_seed(seed), **extra)))

    def step(self, action: Array) -> Step:
        """Step all environments; those that have just ended are reset instead."""
        native = self._convert(action)
        self._before_step()
        with self._stepping:
            return self._restarted() if self._is_only_reset else self._answer(self._env.step(native))

    def send(self, action: Array) -> None:
        """Begin a step, where ``is_async``."""
        native = self._convert(action)
        self._before_step()
        if not self._is_only_reset:
            with self._stepping:
                self._env.send(native)  # type: ignore[attr-defined]

    def receive(self) -> Step:
        """Return the outcome of the step that was begun."""
        with self._stepping:
            return self._restarted() if self._is_only_reset else self._answer(self._env.recv())  # type: ignore[attr-defined]

    def _before_step(self) -> None:
        self._time += 1
        self._is_only_reset = False
        if self._has_ended:
            np.copyto(self._begun, self._time, where=self._ended)
            self._episode += self._ended
            if not self._resets_itself:
                self._is_only_reset = self.num_envs == 1
                if not self._is_only_reset:
                    with self._resetting:
                        self._reset_ended()

    def _restarted(self) -> Step:
        """Reset the only environment instead of stepping it."""
        observation = self._read(self._reset_ended())
        for array in (self._reward, self._terminated, self._truncated, self._ended):
            array[:] = 0
        self._has_ended = False
        return Step(observation, self._reward, self._terminated, self._truncated)

    def _answer(self, answer: Any) -> Step:
        if problem := wrong_step(answer):
            raise problem
        found, reward, terminated, truncated, info = answer
        self._reward[:] = native_rewards(reward, self.num_envs)
        self._terminated[:] = native_flags("terminated", terminated, self.num_envs)
        self._truncated[:] = native_flags("truncated", truncated, self.num_envs)
        observation = self._read(found)
        if self._has_ended:
            if self._resets_itself:
                self._check_only_reset()
            else:
                observation = self._with_resets(observation)
                self._reward[self._ended] = 0
                # of two bools, the first is greater where it alone is True
                np.greater(self._terminated, self._ended, out=self._terminated)
                np.greater(self._truncated, self._ended, out=self._truncated)
        np.logical_or(self._terminated, self._truncated, out=self._ended)
        self._has_ended = bool(np.count_nonzero(self._ended))
        infos = native_numbers(info, self._ended) if self._has_ended and info else ()
        return Step(observation, self._reward, self._terminated, self._truncated, infos)

    def _check_only_reset(self) -> None:
        """Check that rows whose episode has ended did nothing but reset: what they gained would be lost."""
        strange = np.logical_or(self._terminated, self._truncated)
        np.logical_or(strange, self._reward, out=strange)
        np.logical_and(strange, self._ended, out=strange)
        if np.count_nonzero(strange):
            row = int(np.argmax(strange))
            found = f"reward {self._reward[row]:g}" if self._reward[row] else "the end of another one"
            raise WrongAnswer(
                f"{type(self._env.unwrapped).__name__} says that its autoreset mode is NEXT_STEP, but the step after "
                f"the end of an episode gave {found}; one that resets within the last step is in mode SAME_STEP",
                row,
            )

    def _read(self, found: Any) -> Nest:
        observation = self._reader.read(found, self.num_envs)
        self._reader.check_finite(observation)
        return observation

    def _with_resets(self, observation: Nest) -> Nest:
        """Reset what has ended; return a copy of ``observation`` with first observations in those rows."""
        result, mask = map_nest(np.array, observation), self._ended

        def overwrite(target: Array, source: Array) -> None:
            target[mask] = source[mask]

        # what stands in the other rows is the environment's own matter
        map_nest(overwrite, result, self._reader.read(self._reset_ended(), self.num_envs))
        self._reader.check_finite(result)
        return result

    def _reset_ended(self) -> Any:
        """Reset what has ended; return the native observations of all environments."""
        options = {**copy.deepcopy(self._options), "reset_mask": self._ended.copy()}
        return first_observation(self._env.reset(options=options))

    def when(self, doing: str, row: int | None) -> str:
        """Return the moment at which environment ``row``, or the whole vector, is, in words."""
        if row is None:
            return f"{doing} {self._time}" if self._time else doing
        steps = int(self._time - self._begun[row])
        return f"episode {self._episode[row]}, " + (f"step {steps}" if steps else "reset")

    def render(self) -> Array:
        """Return a picture of environment 0."""
        with blamed("render", self.name):
            return draw_first(self._env.render)

    def close(self) -> None:
        """Close the environment, once; what it raises then is a warning."""
        if not self._is_closed:
            self._is_closed = True
            close_quietly(self._env, self.name)


class _BlamedAt(blamed):
    """Says in the fault, too, in which episode and step of a vector it was; it may be used again and again."""

    def __init__(self, doing: str, env: NativeVectorEnv) -> None:
        super().__init__(doing, env.name)
        self._env = env

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        self._name = self._env.name  # a factory may have given it another one
        try:
            super().__exit__(kind, error, trace)
        except EnvironmentFault as fault:
            fault.moment = self._env.when(self._doing, fault.index)
            raise
