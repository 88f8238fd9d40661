"""An environment that breaks."""

import gymnasium


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
