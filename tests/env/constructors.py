"""Environments and wrappers whose constructors fail in their own code, or are called with what they do not take."""

import gymnasium
from gymnasium.spaces import Box, Dict, Discrete


class Fails(gymnasium.Env):
    """Fails when it is built, in a way that is chosen."""

    observation_space = Box(-1, 1, (2,))
    action_space = Discrete(2)

    def __init__(self, how):
        FAILURES[how]()


FAILURES = {
    "a type": lambda: len(5),
    "a value": lambda: int("five"),
    "a module": lambda: __import__("no_such_module_at_all"),
    "bounds": lambda: Box(1, -1, (2,)),
    "shapes": lambda: Box(low=[-1, 0], high=[1, 5, 7]),
    "a count": lambda: Discrete(0),
    "an entry": lambda: Dict(a=3),
}


class FailsAround(gymnasium.Wrapper):
    """A wrapper of which the same is true."""

    def __init__(self, env, how):
        super().__init__(env)
        FAILURES[how]()


gymnasium.register("FailsWhenBuilt-v0", Fails)
