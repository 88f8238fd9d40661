"""Batches of observations: making room for them, filling them, checking what environments give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.protocols import Array
from hsuanwu.common.spaces import Dict, Discrete, MultiDiscrete, Space


def empty_batch(space: Space, num_envs: int) -> Nest:
    """Return zeros ``[num_envs, *shape]`` in the dtype of ``space``; a dict of them for a Dict space.

    Example:
        >>> empty_batch(Discrete(3), 2)
        array([0, 0])
    """
    if isinstance(space, Dict):
        return {name: empty_batch(part, num_envs) for name, part in space.spaces.items()}
    return np.zeros((num_envs, *space.shape), space.dtype)


def row_views(batch: Nest) -> list[Any]:
    """Return one target for each row of a batch; an assignment to the index ``()`` of it copies an observation there.

    Example:
        >>> batch = {"a": np.zeros(2), "b": np.zeros((2, 3))}
        >>> _, second = row_views(batch)
        >>> second[()] = {"a": 5, "b": [1, 2, 3]}
        >>> batch["a"]
        array([0., 5.])
    """
    if isinstance(batch, dict):
        rows = zip(*map(row_views, batch.values()), strict=True)
        return [_DictRow(tuple(zip(batch, row, strict=True))) for row in rows]
    # a view that exists takes an observation in half the time of ``batch[index] = observation``
    return [batch[index, ...] for index in range(len(batch))]


class _DictRow:
    """One row of a dict of arrays."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[tuple[str, Any], ...]) -> None:
        self._parts = parts

    def __setitem__(self, key: tuple[()], observation: Any) -> None:
        for name, row in self._parts:
            row[()] = observation[name]


def starts(space: Space, batch: Nest) -> list[tuple[Array, Any]]:
    """Return ``(array, start)`` for the arrays of ``batch`` whose integers do not count from 0."""
    if isinstance(space, Dict):
        return [pair for name, part in space.spaces.items() for pair in starts(part, batch[name])]
    if isinstance(space, (Discrete, MultiDiscrete)) and np.any(space.start):
        return [(batch, np.asarray(space.start, space.dtype))]
    return []


def batch_reader(space: Space) -> Callable[[Any], Nest]:
    """Return the function that turns a native batch of observations into arrays.

    They are writable and of the space's dtype; integers count from 0. The arrays may be those of the
    environment: copy what must outlive its next call.

    Example:
        >>> batch_reader(Discrete(3, start=5))([5, 7])
        array([0, 2])
    """
    if isinstance(space, Dict):
        readers = {name: batch_reader(part) for name, part in space.spaces.items()}
        return lambda observation: {name: read(observation[name]) for name, read in readers.items()}
    dtype = space.dtype
    if isinstance(space, (Discrete, MultiDiscrete)) and np.any(space.start):
        start = np.asarray(space.start, dtype)
        return lambda observation: np.asarray(observation, dtype) - start

    def read(observation: Any) -> Array:
        array = np.asarray(observation, dtype)
        # a tensor can have no negative stride, which a flipped picture has
        flags = array.flags
        is_usable = flags.writeable and (flags.c_contiguous or min(array.strides) >= 0)
        return array if is_usable else array.copy()

    return read


def check_answer(space: Space, answer: Any) -> None:
    """Check that what ``step`` of a single environment gave is observation, reward, terminated, truncated (and more).

    Raises:
        ConfigurationError: if there are fewer, an ``info`` is in the place of ``truncated``, or the observation is not
            what ``space`` says.
    """
    if len(answer) < 4 or isinstance(answer[3], Mapping):
        raise ConfigurationError(
            f"env: step returned {len(answer)} values; it has to return observation, reward, terminated and truncated, "
            "in gymnasium info too"
        )
    check_observation(space, answer[0])


def check_observation(space: Space, observation: Any, rows: tuple[int, ...] = (), name: str = "") -> None:
    """Check that an observation is what its space says: names, shapes, no fractions among integers.

    Args:
        space: what the environment says.
        observation: what it gave.
        rows: axes before those of the space, ``(num_envs,)`` for a batch.
        name: the part of a Dict that this is.

    Raises:
        ConfigurationError: one line that names the part and what was found.
    """
    key = f"env observation_space{'.' + name if name else ''}"
    if isinstance(space, Dict):
        if not isinstance(observation, Mapping) or set(space.spaces) - set(observation):
            found = sorted(observation) if isinstance(observation, Mapping) else type(observation).__name__
            raise ConfigurationError(f"{key}: the space has {sorted(space.spaces)}, but an observation is {found}")
        for part_name, part in space.spaces.items():
            check_observation(part, observation[part_name], rows, f"{name}.{part_name}" if name else part_name)
        return
    array = np.asarray(observation)
    if array.shape != (*rows, *space.shape):
        raise ConfigurationError(
            f"{key}: the space says shape {space.shape}, but an observation has {array.shape[len(rows) :]}"
        )
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and space.dtype.kind != "f"):
        raise ConfigurationError(
            f"{key}: the space says dtype {space.dtype}, but an observation has {array.dtype}; make them agree"
        )
