"""Environments that are vectors by themselves."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.protocols import Array, Step
from hsuanwu.common.seeding import derive_seed
from hsuanwu.common.spaces import as_space
from hsuanwu.env.action import action_converter
from hsuanwu.env.observation import batch_reader, check_observation
from hsuanwu.env.picture import draw_first


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

    One of mode NEXT_STEP is passed through. One of mode DISABLED does not reset itself: on the step
    after an end all environments are stepped, then those that had ended are reset by
    ``reset(options={"reset_mask": mask})`` and their rows overwritten. One of mode SAME_STEP cannot hold
    a single environment back, see ``as_vector_env``.

    Attributes:
        is_async: whether the environment has ``send`` and ``recv``, and steps in threads of its own between them.

    Args:
        env: the vector environment.

    Raises:
        ConfigurationError: if its autoreset mode is SAME_STEP or unknown, or a space is not supported.
    """

    def __init__(self, env: gymnasium.vector.VectorEnv[Any, Any, Any]) -> None:
        mode = autoreset_mode(env)
        if mode is AutoresetMode.SAME_STEP:
            raise ConfigurationError(
                f"env: {type(env.unwrapped).__name__} is in mode SAME_STEP, which cannot pause one environment; "
                "use NEXT_STEP, or a list of vectors with num_envs=1"
            )
        self._env, self._resets_itself = env, mode is AutoresetMode.NEXT_STEP
        self.num_envs = env.num_envs
        self.observation_space = as_space(env.single_observation_space, "env observation_space")
        self.action_space = as_space(env.single_action_space, "env action_space")
        self._convert, self._read = action_converter(self.action_space), batch_reader(self.observation_space)
        self._reward = np.zeros(self.num_envs, np.float32)
        self._terminated = np.zeros(self.num_envs, np.bool_)
        self._truncated = np.zeros(self.num_envs, np.bool_)
        self._ended = np.zeros(self.num_envs, np.bool_)
        self._is_closed = False
        # a wrapper would not see what passes it by
        self.is_async = env is env.unwrapped and all(callable(getattr(env, name, None)) for name in ("send", "recv"))

    def reset(self, seed: int) -> Nest:
        """Start a new episode everywhere; return ``[B, ...]`` observations."""
        observation, _ = self._env.reset(seed=native_seed(seed))
        check_observation(self.observation_space, observation, (self.num_envs,))
        self._ended[:] = False
        return self._read(observation)

    def step(self, action: Array) -> Step:
        """Step all environments; those that have just ended are reset instead."""
        return self._answer(self._env.step(self._convert(action)))

    def send(self, action: Array) -> None:
        """Begin a step, where ``is_async``."""
        self._env.send(self._convert(action))  # type: ignore[attr-defined]

    def receive(self) -> Step:
        """Return the outcome of the step that was begun."""
        return self._answer(self._env.recv())  # type: ignore[attr-defined]

    def _answer(self, found_and_more: tuple[Any, ...]) -> Step:
        found, reward, terminated, truncated, _ = found_and_more
        self._reward[:] = reward
        self._terminated[:] = terminated
        self._truncated[:] = truncated
        observation = self._read(found)
        if np.count_nonzero(self._ended):
            if not self._resets_itself:
                observation = self._with_resets(observation)
            self._reward[self._ended] = 0
            # of two bools, the first is greater where it alone is True
            np.greater(self._terminated, self._ended, out=self._terminated)
            np.greater(self._truncated, self._ended, out=self._truncated)
        np.logical_or(self._terminated, self._truncated, out=self._ended)
        return Step(observation, self._reward, self._terminated, self._truncated)

    def _with_resets(self, observation: Nest) -> Nest:
        """Reset what has ended; return a copy of ``observation`` with first observations in those rows."""
        result = map_nest(np.array, observation)
        mask = self._ended.copy()
        found, _ = self._env.reset(options={"reset_mask": mask.copy()})

        def overwrite(target: Array, source: Array) -> None:
            target[mask] = source[mask]

        map_nest(overwrite, result, self._read(found))
        return result

    def render(self) -> Array:
        """Return a picture of environment 0."""
        return draw_first(self._env.render)

    def close(self) -> None:
        """Close the environment, once."""
        if not self._is_closed:
            self._is_closed = True
            self._env.close()
