"""An environment that counts."""

import gymnasium


class Counted(gymnasium.Wrapper):
    """Counts the steps of all such environments in this process.

    Attributes:
        num_steps: how many there have been.
    """

    num_steps = 0

    def step(self, action):
        Counted.num_steps += 1
        return self.env.step(action)
