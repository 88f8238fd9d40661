"""Environments whose values are known."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import numpy as np
from gymnasium import spaces

from hsuanwu.common.protocols import Array


@final
class ValueEnv(gymnasium.Env[Any, Any]):
    """Pays 1 in every step, whatever the action, and ends after ``num_steps`` steps.

    If it ends by truncation, the value is ``1 / (1 - discount)`` everywhere, in the final observation too;
    who takes truncation for termination finds less. If it ends by termination, the value of step t is
    ``(1 - discount ** (num_steps - t)) / (1 - discount)``; who bootstraps there finds more.

    Args:
        num_steps: length of an episode.
        terminates: whether an episode ends by termination, else by truncation.
        shows_step: whether the observation is the step as a one-hot vector ``[num_steps + 1]``, else it is
            always ``[1.0]``. Without it, the values of a terminating task cannot be told apart.
    """

    def __init__(self, num_steps: int = 5, terminates: bool = False, shows_step: bool = False) -> None:
        self._num_steps, self._terminates, self._step = num_steps, terminates, 0
        self._size = num_steps + 1 if shows_step else 1
        self.observation_space = spaces.Box(0, 1, (self._size,))
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._step = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._step += 1
        is_last = self._step >= self._num_steps
        return self._observe(), 1.0, is_last and self._terminates, is_last and not self._terminates, {}

    def value(self, step: int, discount: float) -> float:
        """Return the value of what is observed after ``step`` steps of an episode."""
        steps_to_come = self._num_steps - step if self._terminates else np.inf
        return float((1 - discount**steps_to_come) / (1 - discount))

    def _observe(self) -> Array:
        observation = np.zeros(self._size, np.float32)
        observation[self._step % self._size] = 1
        return observation
