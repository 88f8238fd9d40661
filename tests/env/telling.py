"""An environment that tells something of each episode."""

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv


class Telling(gymnasium.Env):
    """An episode is of 3 steps; the last tells whether its number is even, and other things that nobody asked for."""

    observation_space, action_space = gymnasium.spaces.Box(-1, 1, (2,)), gymnasium.spaces.Discrete(2)

    def __init__(self):
        self.episode, self.time = -1, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.time = self.episode + 1, 0
        return self._observe(), {"is_success": 7.0}

    def _observe(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def step(self, action):
        self.time += 1
        info = {"is_success": self.episode % 2 == 0, "time": np.array([self.time]), "won": "yes"}
        is_over = self.time == 3
        return self._observe(), 1.0, is_over and self.episode % 2 == 0, is_over, info


class TellingVector(VectorEnv):
    """Two environments of the same kind, as a native vector; only the first tells a level."""

    num_envs = 2
    single_observation_space, single_action_space = Telling.observation_space, Telling.action_space
    observation_space = gymnasium.vector.utils.batch_space(single_observation_space, 2)
    action_space = gymnasium.vector.utils.batch_space(single_action_space, 2)
    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self):
        self.time = 0

    def reset(self, *, seed=None, options=None):
        return np.zeros((2, 2), np.float32), {}

    def step(self, actions):
        self.time += 1
        ends = np.array([self.time % 4 == 2, self.time % 4 == 3])
        info = {"is_success": np.array([1.0, 0.0]), "level": np.array([5, 6]), "_level": np.array([True, False])}
        info |= {"words": np.array(["a", "b"]), "final": {"x": 1}}
        rewards = np.zeros(2, np.float32)
        return np.zeros((2, 2), np.float32), rewards, ends, np.zeros(2, bool), info


gymnasium.register("Telling-v0", Telling)
