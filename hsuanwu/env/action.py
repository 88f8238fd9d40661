"""From what a distribution gives to what an environment takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.outside import choices, refuse_outside
from hsuanwu.common.protocols import Array
from hsuanwu.common.spaces import ACTION_FORMS, Box, Discrete, MultiBinary, MultiDiscrete, Space

_WITHOUT_SIGN = {dtype().itemsize: np.dtype(dtype) for dtype in (np.uint8, np.uint16, np.uint32, np.uint64)}


def action_converter(space: Space) -> Callable[[Array], Array]:
    """Return the function that turns a batch of a distribution's actions into actions of ``space``.

    Discrete and MultiDiscrete actions, which count from 0, are shifted by the space's ``start``; Box
    actions, which may come from an unbounded Gaussian, are clipped to ``[low, high]`` (and rounded where
    the space holds integers). The function takes and returns ``[B, *space.shape]``; the result has the
    dtype of the space and is a new array. It raises a ``ValueError`` for actions of another shape, a
    ``ConfigurationError`` for what is no number or none of the integers of the space, a ``FloatingPointError`` for NaN.

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
    convert, may_be_outside = _converter(space), _watch(space)

    def convert_batch(action: Array) -> Array:
        action = np.asarray(action)
        if action.shape[1:] != space.shape or not action.ndim:
            rows = "".join(f", {size}" for size in space.shape)
            raise ValueError(f"actions of {space} have shape (number of environments{rows}), found {action.shape}")
        if action.dtype.kind not in "biuf":
            raise ConfigurationError(f"action: found {action.dtype}; use numbers, such as {space.dtype}")
        if may_be_outside(action):
            refuse_outside(space, action)
        return convert(action)

    return convert_batch


def _watch(space: Space) -> Callable[[Array], bool]:
    """Return the function that says whether it is worth a closer look at a batch; each step of a vector calls it."""
    if isinstance(space, Box):
        return lambda action: bool(np.count_nonzero(action != action))  # NaN alone is not itself
    sizes = np.asarray(choices(space), np.uint64)

    def may_be_outside(action: Array) -> bool:
        if action.dtype.kind not in "iub":
            return True
        # without its sign a negative number is a huge one
        return bool(np.count_nonzero(action.view(_WITHOUT_SIGN[action.itemsize]) >= sizes))

    return may_be_outside


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


def random_action(space: Space, num_envs: int, seed: int) -> Array:
    """Return actions as a distribution gives them, ``[num_envs, ...]``.

    Integers count from 0; reals are normal about the middle of their bounds, and may be beyond them.
    """
    generator = np.random.default_rng(seed)
    shape = (num_envs, *space.shape)
    if isinstance(space, Discrete):
        return generator.integers(0, space.n, shape)
    if isinstance(space, MultiDiscrete):
        return generator.integers(0, space.nvec, shape)
    if isinstance(space, Box):
        is_bounded = np.isfinite(space.low) & np.isfinite(space.high)
        low, high = np.where(is_bounded, space.low, -1.0), np.where(is_bounded, space.high, 1.0)
        middle, half = low / 2 + high / 2, high / 2 - low / 2
        return (middle + half * generator.normal(0, 2, shape)).astype(np.float32)
    return generator.integers(0, 2, shape)
