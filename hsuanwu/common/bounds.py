"""Least and greatest values as arrays, and as the plain numbers that a configuration can hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hsuanwu.common.errors import ConfigurationError


def dtype_bounds(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the greatest value of a dtype; infinities for floats."""
    if np.issubdtype(dtype, np.floating):
        return -math.inf, math.inf
    if dtype == np.bool_:
        return 0, 1
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def cast_exactly(name: str, values: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return ``values`` in ``dtype``; integers must not wrap around or lose a fraction."""
    exact = np.asarray(values)
    with np.errstate(over="ignore", invalid="ignore"):
        cast = exact.astype(dtype)
    if dtype.kind != "f" and not (cast == exact).all():
        raise ConfigurationError(f"found {name} {values}, which {dtype} cannot hold")
    return cast


def as_array(values: Any) -> Any:
    """Return nested sequences of any kind (lists, tuples, ListConfigs) as an array; numbers as they are."""
    # of objects: numpy would make floats of integers that only uint64 can hold
    return values if np.isscalar(values) else np.array([as_array(v) for v in values], object)


def plain_bound(bound: np.ndarray[Any, Any]) -> Any:
    """Return a bound as one number where it is the same everywhere, else as nested lists."""
    return first_number(bound) if (bound == first_number(bound)).all() else bound.tolist()


def first_number(bound: np.ndarray[Any, Any]) -> Any:
    """Return the first number of a bound; 0 where it has none."""
    return bound.flat[0].item() if bound.size else 0
