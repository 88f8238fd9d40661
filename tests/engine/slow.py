"""An environment that takes time which nobody has to wait for."""

import gymnasium


class VirtualTime:
    """Clocks that stand still but for what environments add to them, in seconds."""

    wall = processor = 0.0


class Slow(gymnasium.Wrapper):
    """Takes ``VirtualTime`` in each step.

    Args:
        env: any environment.
        wall: how long a step takes.
        processor: how long it computes meanwhile.
    """

    def __init__(self, env, wall, processor):
        super().__init__(env)
        self._wall, self._processor = wall, processor

    def step(self, action):
        VirtualTime.wall += self._wall
        VirtualTime.processor += self._processor
        return self.env.step(action)
