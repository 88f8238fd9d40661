"""Schedules: what to multiply a hyper-parameter with, as a function of the fraction of the run that is over.

All take ``fraction`` in [0, 1] (above counts as 1: the last update may overshoot), the multiplier ``end`` at the end
of the run, and ``warmup``, the fraction of the run in which the multiplier first rises from 0 to 1.
"""

from __future__ import annotations

import math
from typing import Protocol

from hsuanwu.common.errors import ConfigurationError


class Schedule(Protocol):
    """A function of the fraction of the run."""

    def __call__(self, fraction: float, end: float = 0.0, warmup: float = 0.0) -> float:
        """Return the multiplier."""


def constant(fraction: float, end: float = 0.0, warmup: float = 0.0) -> float:
    """Return 1, after the warm-up; ``end`` is not used.

    Example:
        >>> constant(0.5), constant(0.05, warmup=0.1)
        (1.0, 0.5)
    """
    rise, _ = _split(fraction, warmup)
    return rise


def linear(fraction: float, end: float = 0.0, warmup: float = 0.0) -> float:
    """Return a multiplier that goes from 1, after the warm-up, to ``end`` in a straight line.

    Example:
        >>> linear(0.0), linear(0.25), linear(1.0, end=0.1)
        (1.0, 0.75, 0.1)
    """
    rise, fall = _split(fraction, warmup)
    return rise * (1.0 - fall) + end * fall


def cosine(fraction: float, end: float = 0.0, warmup: float = 0.0) -> float:
    """Return a multiplier that goes from 1, after the warm-up, to ``end`` along half a cosine wave.

    Source: Loshchilov and Hutter 2017, SGDR, arXiv 1608.03983, equation 5, without restarts.

    Example:
        >>> cosine(0.0), round(cosine(0.5), 6), cosine(1.0, end=0.1)
        (1.0, 0.5, 0.1)
    """
    rise, fall = _split(fraction, warmup)
    height = 0.5 * (1.0 + math.cos(math.pi * fall))
    return rise * height + end * (1.0 - height)


SCHEDULES: dict[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine}
"""Every schedule, by name."""


def schedule(name: str, key: str = "schedule") -> Schedule:
    """Return the schedule called ``name``.

    Args:
        name: ``"constant"``, ``"linear"`` or ``"cosine"``.
        key: what the name is called in an error.

    Raises:
        ConfigurationError: if there is none; the message lists all.

    Example:
        >>> schedule("linear")(0.25)
        0.75
    """
    if name not in SCHEDULES:
        raise ConfigurationError(f"{key}: found {name!r}, expected one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name]


def _split(fraction: float, warmup: float) -> tuple[float, float]:
    """Return how much of the warm-up, and how much of the time after it, is over."""
    if not fraction >= 0.0:
        raise ValueError(f"fraction: found {fraction}, expected a number in [0, 1]")
    if not 0.0 <= warmup < 1.0:
        raise ConfigurationError(f"warmup: found {warmup}, expected a fraction of the run in [0, 1)")
    fraction = min(fraction, 1.0)
    if fraction < warmup:
        return fraction / warmup, 0.0
    return 1.0, (fraction - warmup) / (1.0 - warmup)
