"""Contextual identity tasks: the right action is what the observation shows."""

from __future__ import annotations

from typing import Any, final

import dm_env
import gymnasium
import numpy as np
from gymnasium import spaces

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.protocols import Array


@final
class IdentityEnv(gymnasium.Env[Any, Any]):
    """Shows a random context in every step and rewards the action that equals it.

    The reward lies in [0, 1]: 1 or 0 for a Discrete action, the fraction of entries that are right for
    MultiDiscrete and MultiBinary, the mean of ``max(0, 1 - |action - context|)`` for Box. An episode is
    truncated after ``num_steps`` steps; the best return is ``num_steps``, and an agent that is blind
    earns 1/4 of it in the Discrete task. ``"dict"`` is ``"discrete"`` with a distractor beside the context.

    Args:
        kind: ``"discrete"``, ``"multi_discrete"``, ``"multi_binary"``, ``"box"`` or ``"dict"``.
        num_steps: length of an episode.
        start: the smallest context and action of the Discrete tasks.
    """

    def __init__(self, kind: str = "discrete", num_steps: int = 100, start: int = 0) -> None:
        actions: dict[str, spaces.Space[Any]] = {
            "discrete": spaces.Discrete(4, start=start),
            "multi_discrete": spaces.MultiDiscrete([3, 2]),
            "multi_binary": spaces.MultiBinary(3),
            "box": spaces.Box(-1, 1, (2,)),
            "dict": spaces.Discrete(4, start=start),
        }
        if kind not in actions:
            raise ConfigurationError(f"env.kwargs.kind: found {kind!r}; use one of {', '.join(actions)}")
        self.action_space = actions[kind]
        self.observation_space = self.action_space
        if kind == "dict":
            self.observation_space = spaces.Dict({"context": self.action_space, "distractor": spaces.Box(-1, 1, (3,))})
        self._num_steps, self._step = num_steps, 0
        self._context: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._step = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = self._reward(np.asarray(action))
        self._step += 1
        return self._observe(), reward, False, self._step >= self._num_steps, {}

    def _observe(self) -> Any:
        self._context = _draw(self.action_space, self.np_random)
        if self.observation_space is self.action_space:
            return self._context
        distractor = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return {"context": self._context, "distractor": distractor}

    def _reward(self, action: Array) -> float:
        if isinstance(self.action_space, spaces.Box):
            return float(np.maximum(0, 1 - np.abs(action - self._context)).mean())
        return float((action == self._context).mean())


def _draw(space: spaces.Space[Any], generator: np.random.Generator) -> Any:
    """Return a random element of a space."""
    if isinstance(space, spaces.Discrete):
        return generator.integers(space.start, space.start + space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return generator.integers(space.nvec)
    if isinstance(space, spaces.MultiBinary):
        return generator.integers(0, 2, space.shape, dtype=np.int8)
    return generator.uniform(-1, 1, space.shape).astype(np.float32)


@final
class IdentityDmEnv(dm_env.Environment):
    """The Discrete identity task in dm_env's words.

    Args:
        num_actions: how many contexts and actions there are.
        num_steps: length of an episode.
        last_discount: discount of the LAST step; above 0 it is a truncation.
        seed: of the contexts.
    """

    def __init__(self, num_actions: int, num_steps: int, last_discount: float, seed: int | None) -> None:
        self._num_actions, self._num_steps, self._last_discount = num_actions, num_steps, last_discount
        self._generator = np.random.default_rng(seed)
        self._step = num_steps
        self._context = np.int32(0)

    def reset(self) -> dm_env.TimeStep:
        self._step = 0
        return dm_env.restart(self._observe())

    def step(self, action: Any) -> dm_env.TimeStep:
        if self._step >= self._num_steps:
            return self.reset()
        reward = float(action == self._context)
        self._step += 1
        if self._step < self._num_steps:
            return dm_env.transition(reward, self._observe())
        return dm_env.TimeStep(dm_env.StepType.LAST, reward, self._last_discount, self._observe())

    def observation_spec(self) -> dm_env.specs.DiscreteArray:
        return dm_env.specs.DiscreteArray(self._num_actions, name="context")

    def action_spec(self) -> dm_env.specs.DiscreteArray:
        return dm_env.specs.DiscreteArray(self._num_actions, name="action")

    def _observe(self) -> np.int32:
        self._context = np.int32(self._generator.integers(self._num_actions))
        return self._context


def make_identity_dm_env(
    num_actions: int = 4, num_steps: int = 100, last_discount: float = 1.0, seed: int | None = None
) -> dm_env.Environment:
    """Return the Discrete identity task as a dm_env environment, see ``IdentityDmEnv``."""
    return IdentityDmEnv(num_actions, num_steps, last_discount, seed)
