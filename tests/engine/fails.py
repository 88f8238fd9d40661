"""Environments that cannot be built, for reasons that only their author knows."""

import gymnasium


class CannotBeBuilt(gymnasium.Env):
    """Misses something when it is built."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        raise KeyError("no such room")


def make():
    """Return no environment."""
    raise OSError("no such disk")


gymnasium.register("CannotBeBuilt-v0", CannotBeBuilt)
