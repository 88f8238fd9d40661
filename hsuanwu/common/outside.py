"""Actions that are outside their space, in one line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space


def refuse_outside(space: Space, action: Any, key: str = "action") -> None:
    """Raise the error that names the first number outside its range, if there is one.

    It is not made to be fast: ask it where something has gone wrong.

    Args:
        space: what one action looks like.
        action: actions as a distribution gives them, ``[..., *space.shape]``, an array or a tensor on any device:
            integers count from 0, whatever ``start``; numbers of a Box may be beyond its bounds.
        key: what the actions are called in the error.

    Raises:
        ConfigurationError: if an integer is none of those that can be chosen.
        FloatingPointError: if a number of a Box is NaN.

    Example:
        >>> refuse_outside(Discrete(4), [[0, 3], [7, 1]])
        Traceback (most recent call last):
            ...
        hsuanwu.common.errors.ConfigurationError: action: found 7 at [1, 0]; use a whole number from 0 to 3
    """
    batch = _as_array(action)
    if batch.shape[batch.ndim - len(space.shape) :] != space.shape:
        return  # a mistake of another kind
    wrong = np.isnan(batch) if isinstance(space, Box) else _is_no_choice(batch, choices(space))
    if not wrong.any():
        return
    place = np.unravel_index(int(wrong.argmax()), batch.shape)
    found = f"{key}: found {batch[place]}" + (f" at {[int(i) for i in place]}" if place else "")
    if isinstance(space, Box):
        raise FloatingPointError(f"{found}; use a number")
    last = int(np.broadcast_to(choices(space), batch.shape)[place]) - 1
    whatever = " (they count from 0, whatever the space's start)" if np.any(getattr(space, "start", 0)) else ""
    raise ConfigurationError(f"{found}; use a whole number from 0 to {last}{whatever}")


def _as_array(action: Any) -> npt.NDArray[Any]:
    if isinstance(action, Tensor):
        action = action.detach().cpu()
        action = action.double() if action.is_floating_point() else action  # numpy has no bfloat16
    return np.asarray(action)


def choices(space: Space) -> npt.NDArray[Any]:
    """Return how many integers each number of an action is chosen from; ``inf`` where it is none."""
    if isinstance(space, Discrete):
        return np.asarray(space.n)
    if isinstance(space, MultiDiscrete):
        return space.nvec
    return np.asarray(2 if isinstance(space, MultiBinary) else math.inf)


def _is_no_choice(batch: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    is_choice: npt.NDArray[np.bool_] = (batch >= 0) & (batch < sizes) & (batch == np.rint(batch))
    return ~is_choice
