"""One environment at a time: what a serial vector environment steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, final

import dm_env
import gymnasium
import numpy as np

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import map_nest
from hsuanwu.common.protocols import Array
from hsuanwu.common.spaces import Box, Space, as_space
from hsuanwu.env.picture import draw, draw_first

_MID = dm_env.StepType.MID
"""What nearly every time step is; to compare with it is a tenth of the time of ``TimeStep.last()``."""


class SingleEnv(ABC):
    """One environment, which somebody else resets after an end.

    Attributes:
        observation_space: what an observation looks like.
        action_space: what an action looks like to a distribution.
        native_action_space: the same actions in the dtype and bounds of the environment itself.
        step: applies a native action; returns observation, reward, terminated, truncated, and perhaps more,
            which nobody reads. It is looked up once an episode, after ``reset``.
    """

    observation_space: Space
    action_space: Space
    native_action_space: Space
    step: Callable[[Any], Any]

    @abstractmethod
    def reset(self, seed: int | None = None) -> Any:
        """Start an episode and return its first observation; a seed starts all randomness anew."""

    @abstractmethod
    def render(self) -> Array:
        """Return a picture, ``[height, width, 3]`` uint8."""

    @abstractmethod
    def close(self) -> None:
        """Free what the environment holds."""


@final
class GymnasiumSingleEnv(SingleEnv):
    """A ``gymnasium.Env``.

    Args:
        env: the environment; it draws itself if it was made with ``render_mode="rgb_array"``.

    Raises:
        ConfigurationError: if a space is not supported.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._env = env
        self.observation_space = as_space(env.observation_space, "env observation_space")
        self.action_space = self.native_action_space = as_space(env.action_space, "env action_space")

    def reset(self, seed: int | None = None) -> Any:
        observation = self._env.reset(seed=seed)[0]
        self.step = self._env.step
        return observation

    def render(self) -> Array:
        return draw(self._env.render)

    def close(self) -> None:
        self._env.close()


def reseed_in_place(env: dm_env.Environment, seed: int) -> dm_env.Environment:
    """Seed a dm_env environment through what it offers, and return it.

    dm_env has no word for seeds. Tried are a method ``seed(seed)``, and the ``RandomState`` of a
    dm_control task (``env.task.random``) or composer environment (``env.random_state``). An
    environment with none of them keeps its own randomness.
    """
    seeder = getattr(env, "seed", None)
    if callable(seeder):
        seeder(seed)
        return env
    for path in ("task.random", "random_state"):
        try:
            generator = attrgetter(path)(env)
        except AttributeError:
            continue
        if isinstance(generator, np.random.RandomState):
            generator.seed(seed)
    return env


@final
class DmEnvSingleEnv(SingleEnv):
    """A ``dm_env.Environment``.

    A LAST time step of discount 0 is a termination, one of any other discount a truncation. A discount
    strictly between 0 and 1 in the middle of an episode is ignored: the discount of learning is the
    learner's. Observations of 64-bit floats become 32-bit ones.

    Args:
        env: the environment; it draws itself if it has ``render()`` or a dm_control ``physics``.
        reseed: returns the environment that follows ``env`` when all randomness starts anew from a seed.

    Raises:
        ConfigurationError: if a spec is not supported.
    """

    def __init__(
        self,
        env: dm_env.Environment,
        reseed: Callable[[dm_env.Environment, int], dm_env.Environment] = reseed_in_place,
    ) -> None:
        self._env, self._reseed = env, reseed
        spec = env.action_spec()
        self.observation_space = as_space(env.observation_spec(), "env observation_space")
        self.action_space = self.native_action_space = as_space(spec, "env action_space")
        if isinstance(self.action_space, Box):
            # as_space rounds 64-bit bounds to 32 bits, perhaps to the wrong side of what the spec allows
            low, high = getattr(spec, "minimum", -np.inf), getattr(spec, "maximum", np.inf)
            if spec.dtype.kind == "f":
                self.native_action_space = Box(low, high, tuple(spec.shape), spec.dtype)

    def reset(self, seed: int | None = None) -> Any:
        if seed is not None:
            self._env = self._reseed(self._env, seed)
        return self._env.reset().observation

    def step(self, action: Any) -> tuple[Any, Any, bool, bool]:
        """Apply a native action; return observation, reward, terminated, truncated."""
        step = self._env.step(action)
        if step.step_type is _MID or not step.last():
            return step.observation, step.reward, False, False
        terminated = step.discount == 0
        return step.observation, step.reward, terminated, not terminated

    def render(self) -> Array:
        return draw(dm_env_painter(self._env))

    def close(self) -> None:
        self._env.close()


def dm_env_painter(env: dm_env.Environment) -> Callable[[], Any]:
    """Return the function that draws a dm_env environment.

    Raises:
        ConfigurationError: if it has neither ``render()`` nor a dm_control ``physics``.
    """
    render = getattr(env, "render", None)
    if callable(render):
        return render
    physics = getattr(env, "physics", None)
    if physics is None:
        raise ConfigurationError(
            f"env: {type(env).__name__} cannot draw itself; "
            "give it a method render() that returns [height, width, 3] uint8"
        )
    return lambda: physics.render(height=240, width=320, camera_id=0)


@final
class SameStepSingleEnv(SingleEnv):
    """A native ``gymnasium.vector.VectorEnv`` of one environment, in same-step autoreset form.

    It resets itself within the step that ends an episode. The final observation is found in
    ``info["final_obs"]``; the first one of the next episode is kept until ``reset`` asks for it.

    Args:
        env: the vector environment; ``num_envs`` is 1.

    Raises:
        ConfigurationError: if a space is not supported.
    """

    def __init__(self, env: gymnasium.vector.VectorEnv[Any, Any, Any]) -> None:
        self._env = env
        self.observation_space = as_space(env.single_observation_space, "env observation_space")
        self.action_space = self.native_action_space = as_space(env.single_action_space, "env action_space")
        self._first: Any = None

    def reset(self, seed: int | None = None) -> Any:
        if seed is not None or self._first is None:
            self._first = _row(self._env.reset(seed=seed)[0])
        first, self._first = self._first, None
        return first

    def step(self, action: Any) -> tuple[Any, Any, bool, bool]:
        """Apply a native action; return observation, reward, terminated, truncated."""
        observation, reward, terminated, truncated, info = self._env.step(np.asarray(action)[None])
        if terminated[0] or truncated[0]:
            self._first = map_nest(np.array, _row(observation))
            if "final_obs" not in info:
                raise ConfigurationError(
                    f"env: {type(self._env.unwrapped).__name__} says that its autoreset mode is SAME_STEP, "
                    "but gives no info['final_obs'] at the end of an episode"
                )
            observation = info["final_obs"]
        return _row(observation), reward[0], terminated[0], truncated[0]

    def render(self) -> Array:
        return draw_first(self._env.render)

    def close(self) -> None:
        self._env.close()


def _row(batch: Any) -> Any:
    """Return row 0: of each array of a mapping, or of an array (of objects perhaps)."""
    return map_nest(lambda leaf: leaf[0], batch) if isinstance(batch, Mapping) else batch[0]
