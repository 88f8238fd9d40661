"""An environment of two entries, whose names and bounds are arguments."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict


class TwoEntries(gymnasium.Env):
    """Shows two vectors under names that are chosen, and takes actions up to a bound that is chosen."""

    def __init__(self, names=("goal", "place"), most=1.0, length=5):
        self._length = length
        self.observation_space = Dict({name: Box(-1, 1, (2,)) for name in names})
        self.action_space = Box(-most, most, (2,))

    def _observed(self):
        return {name: np.full(2, 0.5, np.float32) for name in self.observation_space}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        return self._observed(), {}

    def step(self, action):
        self._steps += 1
        return self._observed(), 0.0, False, self._steps == self._length, {}


gymnasium.register("TwoEntries-v0", TwoEntries)
