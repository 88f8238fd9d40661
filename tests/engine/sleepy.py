"""An environment that waits, as a simulator in another process would make it wait."""

import time

import gymnasium


class Sleepy(gymnasium.Wrapper):
    """Sleeps in each step.

    Args:
        env: any environment.
        seconds: how long.
    """

    def __init__(self, env, seconds):
        super().__init__(env)
        self._seconds = seconds

    def step(self, action):
        time.sleep(self._seconds)
        return self.env.step(action)
