"""From what a distribution gives to what an environment takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.protocols import Array
from hsuanwu.common.spaces import ACTION_FORMS, Box, Discrete, MultiBinary, MultiDiscrete, Space


def action_converter(space: Space) -> Callable[[Array], Array]:
    """Return the function that turns a batch of a distribution's actions into actions of ``space``.

    Discrete and MultiDiscrete actions, which count from 0, are shifted by the space's ``start``; Box
    actions, which may come from an unbounded Gaussian, are clipped to ``[low, high]`` (and rounded where
    the space holds integers). The function takes and returns ``[B, *space.shape]``; the result has the
    dtype of the space and is a new array.

    Args:
        space: the actions that the environment takes; any space but a Dict.

    Raises:
        ConfigurationError: if the space is a Dict.

    Example:
        >>> action_converter(Discrete(3, start=5))(np.array([0, 2])).tolist()
        [5, 7]
        >>> action_converter(Box(-1, 1, (1,)))(np.array([[-3.0], [0.5]])).tolist()
        [[-1.0], [0.5]]
    """
    convert = _converter(space)

    def convert_batch(action: Array) -> Array:
        action = np.asarray(action)
        if action.shape[1:] != space.shape:
            raise ValueError(f"actions of {space} have shape {('B', *space.shape)}, found {action.shape}")
        return convert(action)

    return convert_batch


def _converter(space: Space) -> Callable[[Array], Array]:
    dtype = space.dtype
    if isinstance(space, (Discrete, MultiDiscrete)):
        start = np.asarray(space.start, dtype)
        if start.any():
            return lambda action: action.astype(dtype) + start
        return lambda action: action.astype(dtype)
    if isinstance(space, MultiBinary):
        return lambda action: action.astype(dtype)
    if isinstance(space, Box):
        low, high = space.low, space.high
        if dtype.kind == "f":
            # two ufuncs are half the time of np.clip, which is written in Python
            return lambda action: np.minimum(np.maximum(action, low, dtype=dtype), high)
        return lambda action: np.clip(np.rint(action), low, high).astype(dtype)
    raise ConfigurationError(f"env action_space: {type(space).__name__} actions are not supported; {ACTION_FORMS}")
