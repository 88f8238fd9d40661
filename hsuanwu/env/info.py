"""Numbers that environments tell of an episode in the ``info`` of its last step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np

from hsuanwu.common.protocols import Array

MOST_NAMES = 32
"""Numbers of an episode, and metrics of a run: names that change from episode to episode would be a metric each."""
_MOST_LETTERS = 64
_TOLD_ELSEWHERE = {"TimeLimit.truncated"}


def numbers_of(info: Any) -> dict[str, float]:
    """Return the finite numbers of an ``info`` by name: flags, numbers and arrays of one.

    All else in it is somebody else's matter, and so is what goes wrong with it. At most 32 names of at most 64 letters
    count.

    Example:
        >>> numbers_of({"is_success": True, "x": np.array([0.5]), "text": "won", "episode": {"r": 1.0}})
        {'is_success': 1.0, 'x': 0.5}
    """
    if type(info) is dict and not info:
        return {}
    try:
        return dict(_numbers(info)) if isinstance(info, Mapping) else {}
    except Exception:
        return {}


def numbers_at_end(index: int, info: Any) -> list[tuple[int, dict[str, float]]]:
    """Return the index of an environment whose episode ended with its numbers; nothing if it has none."""
    numbers = numbers_of(info)
    return [(index, numbers)] if numbers else []


def _numbers(info: Mapping[Any, Any]) -> Iterator[tuple[str, float]]:
    left = MOST_NAMES
    for name, value in info.items():
        number = _number(value)
        if number is None or not _is_name(name):
            continue
        yield name, number
        left -= 1
        if not left:
            return


def _is_name(name: Any) -> bool:
    return type(name) is str and 0 < len(name) <= _MOST_LETTERS and name[0] != "_" and name not in _TOLD_ELSEWHERE


def _number(value: Any) -> float | None:
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "biuf":
        value = value.reshape(())[()]
    if not isinstance(value, (Real, np.bool_)):
        return None
    number = float(value)
    return number if np.isfinite(number) else None


def native_numbers(info: Any, ended: Array) -> list[tuple[int, dict[str, float]]]:
    """Return the numbers of the environments of a native vector whose episodes ended, by their index.

    Args:
        info: an array of ``[num_envs]`` for each name, and one called ``_<name>`` that says for whom it holds.
        ended: ``[num_envs]`` bool.
    """
    if not isinstance(info, Mapping) or not info:
        return []
    return [pair for i in np.flatnonzero(ended).tolist() for pair in numbers_at_end(i, _row(info, i, len(ended)))]


def _row(info: Mapping[Any, Any], i: int, num_envs: int) -> dict[Any, Any]:
    """Return the ``info`` of environment ``i``."""
    return {
        name: values[i]
        for name, values in info.items()
        if isinstance(values, np.ndarray) and values.shape[:1] == (num_envs,) and _holds(info, name, i, num_envs)
    }


def _holds(info: Mapping[Any, Any], name: Any, i: int, num_envs: int) -> bool:
    mask = info.get(f"_{name}")
    return not (isinstance(mask, np.ndarray) and mask.shape == (num_envs,)) or bool(mask[i])
