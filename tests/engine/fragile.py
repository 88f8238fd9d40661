"""Environments that break."""

import gymnasium
import numpy as np


class Fragile(gymnasium.Wrapper):
    """Raises an exception after so many steps."""

    def __init__(self, env, steps):
        super().__init__(env)
        self._left = steps

    def step(self, action):
        self._left -= 1
        if self._left < 0:
            raise ValueError("broken on purpose")
        return super().step(action)


class Longer(gymnasium.ObservationWrapper):
    """Shows one number more than its space says."""

    def observation(self, observation):
        return np.append(observation, np.float32(0))


class NeverBegins(gymnasium.Wrapper):
    """Cannot be reset."""

    def reset(self, **kwargs):
        raise ValueError("broken on purpose")


class CannotBeClosed(gymnasium.Wrapper):
    """Raises an exception when it is closed."""

    def close(self):
        super().close()
        raise ValueError("broken on purpose")
