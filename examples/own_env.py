"""An environment of one's own: a file on the Python path, named by the id that it registers.

From the folder above::

    PYTHONPATH=examples hsuanwu-train env=gymnasium env.id=own_env:Corridor-v0 env.kwargs.length=8
"""

from typing import Any

import gymnasium
import numpy as np


class CorridorEnv(gymnasium.Env[np.ndarray, int]):
    """A corridor with a door at its right end; a step costs 0.1, and the door is worth 1.

    Args:
        length: places in the corridor.
    """

    def __init__(self, length: int = 5) -> None:
        self.length, self.place = length, 0
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,))
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Begin an episode in the left half."""
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(max(1, self.length // 2)))
        return self._observe(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Go left (0) or right (1); at the door the task is over, which is a termination."""
        self.place = max(0, self.place + (1 if action == 1 else -1))
        is_at_door = self.place >= self.length
        return self._observe(), 1.0 if is_at_door else -0.1, is_at_door, False, {}

    def _observe(self) -> np.ndarray:
        return np.array([self.place / self.length], np.float32)


# a time limit is a truncation, and gymnasium adds it
gymnasium.register("Corridor-v0", CorridorEnv, max_episode_steps=100)
