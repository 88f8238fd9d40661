"""One environment at a time: what a serial vector environment steps."""

from __future__ import annotations

import copy
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, final

import dm_env
import gymnasium
import numpy as np
from gymnasium.wrappers import TimeLimit

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import map_nest
from hsuanwu.common.protocols import Array
from hsuanwu.common.registry import NO_KWARGS
from hsuanwu.common.spaces import Box, Discrete, MultiDiscrete, Space, as_space
from hsuanwu.env.answer import first_observation, native_flags, native_rewards, wrong_step
from hsuanwu.env.fault import WrongAnswer, shown
from hsuanwu.env.info import native_numbers
from hsuanwu.env.pace import dm_env_pace, gymnasium_pace
from hsuanwu.env.picture import draw, draw_first

_MOST_CHOICES = 10_000_000
_MID = dm_env.StepType.MID
"""What nearly every time step is; to compare with it is a tenth of the time of ``TimeStep.last()``."""


class SingleEnv(ABC):
    """A single environment without autoreset: the caller resets it.

    Attributes:
        name: what it is called in messages: an id, or the path of what builds it.
        observation_space: what an observation looks like.
        action_space: what an action looks like to a distribution.
        native_action_space: the same actions in the dtype and bounds of the environment itself.
        frames_per_second: steps that are a second; None if the environment does not say.
        step: applies a native action; returns observation, reward, terminated, truncated and info, unchecked. It is
            looked up once an episode, after ``reset``.
        time_limit: steps after which the caller has to truncate an episode; None if the environment does it itself.
    """

    name: str
    observation_space: Space
    action_space: Space
    native_action_space: Space
    frames_per_second: float | None
    step: Callable[[Any], Any]
    time_limit: int | None = None

    @abstractmethod
    def reset(self, seed: int | None = None) -> Any:
        """Start an episode and return its first observation; a seed starts all randomness anew.

        Raises:
            WrongAnswer: if the environment's answer has another form.
        """

    @abstractmethod
    def render(self) -> Array:
        """Return a picture, ``[height, width, 3]`` uint8."""

    @abstractmethod
    def close(self) -> None:
        """Free what the environment holds."""


@final
class GymnasiumSingleEnv(SingleEnv):
    """A ``gymnasium.Env``.

    Of gymnasium's ``TimeLimit`` around it only the number is used: for the caller to count steps takes less time.

    Args:
        env: the environment; it draws itself if it was made with ``render_mode="rgb_array"``.
        reset_options: what each reset is given as ``options``; empty for none.

    Raises:
        ConfigurationError: if a space is missing or not supported, or ``reset`` takes no seed.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], reset_options: Mapping[str, Any] = NO_KWARGS) -> None:
        self._env, self.name, self.frames_per_second = env, gymnasium_name(env), gymnasium_pace(env)
        self._extra = {"options": dict(reset_options)} if reset_options else {}
        self.observation_space = declared_space(env, "observation_space", self.name)
        self.action_space = self.native_action_space = declared_space(env, "action_space", self.name)
        check_reset(env, self.name)
        if type(env) is TimeLimit and getattr(env.step, "__func__", None) is TimeLimit.step:
            self._stepped, self.time_limit = env.env, env._max_episode_steps
        else:
            self._stepped = env

    def reset(self, seed: int | None = None) -> Any:
        extra = copy.deepcopy(self._extra) if self._extra else self._extra
        observation = first_observation(self._env.reset(seed=seed, **extra))
        self.step = self._stepped.step
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

    A LAST time step of discount 0 is a termination, one of any other number a truncation. A discount
    strictly between 0 and 1 in the middle of an episode is ignored: the discount of learning is the
    learner's. Observations of 64-bit floats become 32-bit ones.

    Args:
        env: the environment; it draws itself if it has ``render()`` or a dm_control ``physics``.
        reseed: returns the environment that follows ``env`` when all randomness starts anew from a seed.
        name: what it is called in messages; None for its class.

    Raises:
        ConfigurationError: if a spec is not supported.
    """

    def __init__(
        self,
        env: dm_env.Environment,
        reseed: Callable[[dm_env.Environment, int], dm_env.Environment] = reseed_in_place,
        name: str | None = None,
    ) -> None:
        self._env, self._reseed, self.name = env, reseed, name or type(env).__name__
        self.frames_per_second = dm_env_pace(env)
        spec = env.action_spec()
        self.observation_space = as_space(env.observation_spec(), "env observation_space")
        self.action_space = self.native_action_space = _action_space(spec)
        # what counts choices may need more room than the integers of the environment
        self._integers = None if isinstance(self.action_space, Box) else np.dtype(spec.dtype)
        if isinstance(self.action_space, Box) and spec.dtype.kind == "f":
            # as_space rounds 64-bit bounds to 32 bits, perhaps to the wrong side of what the spec allows
            low, high = getattr(spec, "minimum", -np.inf), getattr(spec, "maximum", np.inf)
            self.native_action_space = Box(low, high, tuple(spec.shape), spec.dtype)
            if _are_lost_in_32_bits(low, high):
                self.action_space = self.native_action_space

    def reset(self, seed: int | None = None) -> Any:
        if seed is not None:
            self._env = self._reseed(self._env, seed)
        step = self._env.reset()
        if getattr(step, "step_type", None) != dm_env.StepType.FIRST:
            raise WrongAnswer(f"reset returned {_step_in_words(step)}; it has to return a FIRST dm_env.TimeStep")
        return step.observation

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, None]:
        """Apply a native action; return observation, reward, terminated, truncated and None."""
        step = self._env.step(action if self._integers is None else np.asarray(action).astype(self._integers)[()])
        step_type = getattr(step, "step_type", None)
        if step_type is _MID or step_type == _MID:
            return step.observation, step.reward, False, False, None
        if step_type != dm_env.StepType.LAST:
            raise WrongAnswer(
                f"step returned {_step_in_words(step)} in the middle of an episode; it has to return a MID or LAST "
                "dm_env.TimeStep"
            )
        terminated = _is_zero(step.discount)
        return step.observation, step.reward, terminated, not terminated, None

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
        reset_options: what each reset is given as ``options``; empty for none.

    Raises:
        ConfigurationError: if a space is not supported.
    """

    def __init__(
        self, env: gymnasium.vector.VectorEnv[Any, Any, Any], reset_options: Mapping[str, Any] = NO_KWARGS
    ) -> None:
        self._env, self.frames_per_second = env, gymnasium_pace(env)
        self.name, self._extra = gymnasium_name(env), {"options": dict(reset_options)} if reset_options else {}
        self.observation_space = declared_space(env, "single_observation_space", self.name)
        self.action_space = self.native_action_space = declared_space(env, "single_action_space", self.name)
        self._first: Any = None

    def reset(self, seed: int | None = None) -> Any:
        if seed is not None or self._first is None:
            found = first_observation(self._env.reset(seed=seed, **copy.deepcopy(self._extra)))
            self._first = self._only_row(found)
        first, self._first = self._first, None
        return first

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, float]]:
        """Apply a native action; return observation, reward, terminated, truncated and, at an end, numbers of info."""
        answer = self._env.step(np.asarray(action)[None])
        if problem := wrong_step(answer):
            raise problem
        observation, reward, terminated, truncated, info = answer
        (gained,) = native_rewards(reward, 1)
        (is_over,), (is_cut,) = native_flags("terminated", terminated, 1), native_flags("truncated", truncated, 1)
        if is_over or is_cut:
            self._first = map_nest(np.array, self._only_row(observation))
            if "final_obs" not in info:
                raise WrongAnswer(
                    f"{type(self._env.unwrapped).__name__} says that its autoreset mode is SAME_STEP, "
                    "but gives no info['final_obs'] at the end of an episode"
                )
            told = native_numbers(info.get("final_info"), np.ones(1, np.bool_))
            numbers = told[0][1] if told else {}
            return self._only_final(info["final_obs"]), float(gained), bool(is_over), bool(is_cut), numbers
        return self._only_row(observation), float(gained), False, False, {}

    def _only_row(self, batch: Any) -> Any:
        """Return row 0 of a batch of one: of each array of a mapping, or of an array."""
        if isinstance(batch, Mapping):
            return {name: self._only_row(part) for name, part in batch.items()}
        array = np.asarray(batch)
        if array.shape[:1] != (1,):
            raise WrongAnswer(
                f"observation_space: found {array.shape} where observations of 1 environment were expected"
            )
        return array[0]

    def _only_final(self, final: Any) -> Any:
        """Return the only final observation: of an array of objects, or of a batch."""
        return final[0] if isinstance(final, np.ndarray) and final.dtype == object else self._only_row(final)

    def render(self) -> Array:
        return draw_first(self._env.render)

    def close(self) -> None:
        self._env.close()


def gymnasium_name(env: Any) -> str:
    """Return what a gymnasium environment, or vector, is called: its id, or its class."""
    spec = getattr(env, "spec", None)
    return str(getattr(spec, "id", None) or type(getattr(env, "unwrapped", env)).__name__)


def declared_space(env: Any, attribute: str, name: str) -> Space:
    """Return the space that a gymnasium environment declares.

    Args:
        env: the environment, or vector.
        attribute: where the space stands.
        name: what the environment is called.

    Raises:
        ConfigurationError: if there is none, or it is not supported.
    """
    space = getattr(env, attribute, None)
    if space is None:
        raise ConfigurationError(
            f"env {name}: declares no {attribute}; set self.{attribute} to a gymnasium space in its constructor"
        )
    return as_space(space, f"env {attribute.removeprefix('single_')}")


def check_reset(env: gymnasium.Env[Any, Any], name: str) -> None:
    """Check that ``reset`` of an environment and of its wrappers can be given a seed, as gymnasium asks.

    Raises:
        ConfigurationError: if it cannot: the environment has the form of older versions of gym.
    """
    layer: Any = env
    while layer is not None:
        try:
            inspect.signature(layer.reset).bind(seed=0, options=None)
        except TypeError:
            raise ConfigurationError(
                f"env {name}: reset of {type(layer).__name__} takes {inspect.signature(layer.reset)}; it has to take "
                "seed and options: def reset(self, *, seed=None, options=None)"
            ) from None
        except ValueError:  # no signature, of something compiled
            pass
        layer = layer.env if isinstance(layer, gymnasium.Wrapper) else None


def _is_zero(discount: Any) -> bool:
    """Return whether a LAST step's discount says that nothing follows."""
    try:
        number = float(discount)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise WrongAnswer(
            f"the discount of a LAST step is {shown(discount)}; 0 (a termination) to 1 (a truncation) was expected"
        )
    return number == 0


def _step_in_words(step: Any) -> str:
    step_type = getattr(step, "step_type", None)
    return f"a {step_type.name} step" if isinstance(step_type, dm_env.StepType) else shown(step)


def _action_space(spec: Any) -> Space:
    """Return the space of a dm_env action spec; bounded integers are as many choices."""
    if not isinstance(spec, dm_env.specs.BoundedArray) or np.dtype(spec.dtype).kind not in "iu":
        return as_space(spec, "env action_space")
    low, high = (np.broadcast_to(bound, spec.shape) for bound in (spec.minimum, spec.maximum))
    most = max((int(y) - int(x) for x, y in zip(low.flat, high.flat, strict=True)), default=0)
    if most > _MOST_CHOICES or max(map(int, high.flat), default=0) > np.iinfo(np.int64).max:
        raise ConfigurationError(
            f"env action_space: found integers from {low.min()} to {high.max()}, with one output of the network for "
            "each; use fewer, or a BoundedArray of floats"
        )
    if spec.shape == ():
        return Discrete(most + 1, int(low))
    return MultiDiscrete(high.astype(np.int64) - low.astype(np.int64) + 1, low.astype(np.int64))


def _are_lost_in_32_bits(low: Any, high: Any) -> bool:
    """Return whether bounds are other numbers with 32 bits, so that actions between them might be one."""
    return any(bool((np.float32(bound).astype(np.float64) != bound).any()) for bound in map(np.asarray, (low, high)))
