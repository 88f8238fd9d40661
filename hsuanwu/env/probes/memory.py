"""An environment that only memory can solve."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import numpy as np
from gymnasium import spaces

from hsuanwu.common.protocols import Array


@final
class MemoryEnv(gymnasium.Env[Any, Any]):
    """Shows a cue in the first observation, and asks for it ``length`` steps later.

    The first observation is the cue in {0, 1} as a one-hot vector ``[2]``, all others are zeros. The action
    at the ``length``-th of those must equal the cue: reward 1 if it does, -1 if not, and the episode
    terminates. All other rewards are 0. The best return is 1; without memory (of observations or of own
    actions) the expected return is 0.

    Args:
        length: steps between the cue and the action that counts; at least 1.
    """

    def __init__(self, length: int = 5) -> None:
        self._length, self._step, self._cue = length, 0, 0
        self.observation_space = spaces.Box(0, 1, (2,))
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._step, self._cue = 0, int(self.np_random.integers(2))
        observation = self._blank()
        observation[self._cue] = 1
        return observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        is_last = self._step >= self._length
        reward = (1.0 if action == self._cue else -1.0) if is_last else 0.0
        self._step += 1
        return self._blank(), reward, is_last, False, {}

    def _blank(self) -> Array:
        return np.zeros(2, np.float32)
