"""Notes on actions, known before the first step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hsuanwu.xplore.distribution.base import Distribution
from hsuanwu.xplore.distribution.diagonal_gaussian import DiagonalGaussian
from hsuanwu.xplore.distribution.gaussian import Gaussian
from hsuanwu.xplore.distribution.units import BoundUnits

_ENORMOUS = 1e5
"""Half a distance between bounds from which they are more likely to stand for none."""

_FEW = 1000
"""Numbers between two bounds that are too few for a density."""

_FAR = 10.0
"""Factor by which bounds that are out of reach are wider or narrower than the first actions."""


def action_notes(distribution: Distribution) -> list[str]:
    """Return what is likely to keep actions from being learnt, one line each, to be printed when a run starts.

    Args:
        distribution: any distribution; it is those of a Box of floats of which something can be known.

    Example:
        >>> action_notes(DiagonalGaussian({"shape": (2,), "type": "Box", "range": [100, 200]}))
        []
    """
    return [f"actions: {note}" for note in _notes(distribution)] if isinstance(distribution, Gaussian) else []


def _notes(distribution: Gaussian) -> Iterator[str]:
    space, units = distribution.action_space, BoundUnits(distribution.action_space)
    low, high = (bound.flatten() for bound in (space.low, space.high))
    std = math.exp(distribution.init_log_std)

    def numbers(which: npt.NDArray[np.bool_]) -> str:
        first = int(which.argmax())
        return f"{which.sum()} of {which.size} numbers (number {first} is from {low[first]:g} to {high[first]:g})"

    unbounded = ~units.is_bounded & (low < high)
    if unbounded.any():
        yield (
            f"{numbers(unbounded)} are not bounded on both sides, so that the policy begins with a mean near "
            f"{units.center[unbounded.argmax()]:g} and a standard deviation of {std:g} in the environment's own units; "
            "if good actions are far larger or smaller, declare bounds, or scale the actions by a wrapper"
        )
    if isinstance(distribution, DiagonalGaussian) and distribution.units == "environment":
        far = units.is_bounded & (
            (units.half > _FAR * std) | (units.half < std / _FAR) | (abs(units.center) > units.half + std)
        )
        if far.any():
            yield (
                "with distribution.units=environment the policy begins with a mean near 0 and a standard deviation of "
                f"{std:g}, but the bounds of {numbers(far)} are far from there; use distribution.units=bounds"
            )
        return
    enormous = units.is_bounded & (units.half > _ENORMOUS)
    if enormous.any():
        yield (
            f"the bounds of {numbers(enormous)} are enormous, and the policy begins by using all that is between "
            "them; if good actions are far smaller, declare narrower bounds"
        )
    few = units.is_bounded & (_numbers_between(low, high) < _FEW)
    if few.any():
        yield (
            f"{space.dtype} can hold fewer than {_FEW:,} values between the bounds of {numbers(few)}, too few for a "
            "density; let the environment take the distance from a bound instead"
        )


def _numbers_between(low: npt.NDArray[Any], high: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        return (high.astype(np.float64) - low) / np.spacing(np.maximum(abs(low), abs(high))).astype(np.float64)
