"""Sizes, dtypes, least and greatest values of spaces: checked, and as the plain numbers of a configuration."""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from hsuanwu.common.errors import ConfigurationError

_MOST_NUMBERS = 2**27
"""In one array of an observation or action; four stacked pictures of 3840 x 2160 in colour have 100 million."""


def checked_size(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape as it is, before memory is asked for.

    Raises:
        ConfigurationError: if no machine could keep many arrays of that size.
    """
    if math.prod(shape) > _MOST_NUMBERS:
        raise ConfigurationError(f"found shape {shape}, {math.prod(shape):,} numbers; use at most {_MOST_NUMBERS:,}")
    return shape


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """Return a dtype in the byte order of this machine.

    Raises:
        ConfigurationError: if tensors cannot have it.
    """
    found = np.dtype(dtype)
    if found.kind not in "biuf" or found.itemsize > 8:
        raise ConfigurationError(f"dtype: found {dtype}; use bools, integers or floats of at most 64 bits")
    native: np.dtype[Any] = found.newbyteorder("=")
    return found if found.isnative else native  # numpy takes longer with another object of the same dtype


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


def as_shape(shape: Any, key: str) -> tuple[int, ...]:
    """Return a shape that a dict form gives, one size or several.

    Raises:
        ConfigurationError: if it is none; ``key`` is named.
    """
    try:
        sizes = tuple(index(size) for size in ([shape] if isinstance(shape, (int, np.integer)) else shape))
    except (TypeError, ValueError):
        sizes = (-1,)
    if any(size < 0 for size in sizes):
        raise ConfigurationError(f"{key}.shape: found {shape!r}; use a tuple of sizes, (4,) for example")
    return sizes


def as_range(found: Any, key: str) -> tuple[Any, Any]:
    """Return the least and the greatest value that a dict form gives.

    Raises:
        ConfigurationError: if these are not two; ``key`` is named.
    """
    if isinstance(found, str) or len(found) != 2:
        raise ConfigurationError(f"{key}.range: found {found!r}; use [least, greatest]")
    return found[0], found[1]


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


def magnitude(low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the greatest absolute values between bounds, float64; shape ``()`` where they are the same everywhere."""
    sizes = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    first = np.asarray(first_number(sizes), np.float64)
    return first if (sizes == first).all() else sizes


def plain_name(name: Any) -> str:
    """Return the name of an entry as a plain string, which the member of an enumeration of strings is not.

    Raises:
        ConfigurationError: if it is no string.
    """
    if not isinstance(name, str):
        raise ConfigurationError(
            f"found the key {name!r}; the keys of a Dict space and of its observations have to be strings, "
            f"{str(name)!r} for example"
        )
    return str.__str__(name)
