"""Batches of observations: making room for them, filling them, checking what environments give."""

from __future__ import annotations

from collections.abc import Mapping
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


def write_row(batch: Nest, index: int, observation: Any) -> None:
    """Copy one observation into row ``index`` of a batch that ``empty_batch`` made."""
    if isinstance(batch, dict):
        for name, part in batch.items():
            write_row(part, index, observation[name])
    else:
        batch[index] = observation


def starts(space: Space, batch: Nest) -> list[tuple[Array, Any]]:
    """Return ``(array, start)`` for the arrays of ``batch`` whose integers do not count from 0."""
    if isinstance(space, Dict):
        return [pair for name, part in space.spaces.items() for pair in starts(part, batch[name])]
    if isinstance(space, (Discrete, MultiDiscrete)) and np.any(space.start):
        return [(batch, np.asarray(space.start, space.dtype))]
    return []


def read_batch(space: Space, observation: Any) -> Nest:
    """Return a native batch of observations as writable arrays of the space's dtype; integers count from 0.

    The arrays may be those of the environment: copy what must outlive its next call.
    """
    if isinstance(space, Dict):
        return {name: read_batch(part, observation[name]) for name, part in space.spaces.items()}
    array = np.asarray(observation, space.dtype)
    if isinstance(space, (Discrete, MultiDiscrete)) and np.any(space.start):
        return array - np.asarray(space.start, space.dtype)
    return array if array.flags.writeable else array.copy()


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
