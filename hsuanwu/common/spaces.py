"""Spaces: what an observation or an action looks like. The only file that knows the keys of the dict form.

Three short forms are always accepted::

    {"shape": (4, 84, 84)}                                               an observation
    {"shape": (n,), "type": "Discrete", "range": [0, n - 1]}             one of n actions
    {"shape": shape, "type": "Box", "range": [low[0], high[0]]}          real numbers

The form that ``Space.to_dict`` writes is lossless: it adds ``dtype``, ``low``, ``high``, ``nvec`` and
``start``, and nests ``{"type": "Dict", "spaces": {...}}``. A short observation of rank 3 is a stack of
frames, uint8 in [0, 255]; every other short form is float32 without bounds.
"""

from __future__ import annotations

import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import dm_env.specs
import gymnasium
import numpy as np
import torch

from hsuanwu.common import bounds
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.slab import TensorSpec

SpaceLike: TypeAlias = "Space | Mapping[str, Any] | gymnasium.Space[Any] | dm_env.specs.Array"
"""What ``as_space`` takes."""

_FORMS = (
    "use a gymnasium space, a dm_env spec, or a dict such as {'shape': (4,)}, "
    "{'shape': (2,), 'type': 'Discrete', 'range': [0, 1]} or {'shape': (1,), 'type': 'Box', 'range': [-1, 1]}"
)

ACTION_FORMS = (
    "use one Box of floats, Discrete, MultiDiscrete or MultiBinary, into which a wrapper can put several actions"
)
"""The end of an error about actions that cannot be learnt."""


class Space(ABC):
    """What one observation or action looks like.

    Attributes:
        shape: the shape of one element as an array; ``()`` for Discrete.
        dtype: the numpy dtype of its numbers.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the lossless dict form: plain numbers, strings, tuples and lists."""

    @abstractmethod
    def to_gymnasium(self) -> gymnasium.Space[Any]:
        """Return the gymnasium space of the same elements."""

    def tensor_spec(self) -> Any:
        """Return the ``TensorSpec`` of one element; a dict of them for a Dict space."""
        return TensorSpec(self.shape, torch.from_numpy(np.empty(0, self.dtype)).dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((type(self).__name__, str(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"


class Box(Space):
    """Arrays of numbers, each between its bounds.

    Args:
        low: least values, broadcast to ``shape``.
        high: greatest values, broadcast to ``shape``.
        shape: shape of an element.
        dtype: numpy dtype of its numbers.
    """

    def __init__(self, low: Any, high: Any, shape: tuple[int, ...], dtype: Any = np.float32) -> None:
        self.shape, self.dtype = bounds.checked_size(shape), bounds.checked_dtype(dtype)
        self.low = np.broadcast_to(bounds.cast_exactly("low", low, self.dtype), shape).copy()
        self.high = np.broadcast_to(bounds.cast_exactly("high", high, self.dtype), shape).copy()
        if not (self.low <= self.high).all():
            raise ConfigurationError(f"a Box space needs low <= high everywhere, found low {low} and high {high}")

    @property
    def is_bounded(self) -> bool:
        """Whether every number has a finite least and greatest value."""
        return bool(np.isfinite(self.low).all() and np.isfinite(self.high).all())

    @cached_property
    def magnitude(self) -> np.ndarray[Any, Any]:
        """The greatest absolute value that the bounds of each number allow, float64; ``()`` where all are the same."""
        return bounds.magnitude(self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "type": "Box",
            "range": [bounds.first_number(self.low), bounds.first_number(self.high)],
            "dtype": self.dtype.name,
            "low": bounds.plain_bound(self.low),
            "high": bounds.plain_bound(self.high),
        }

    def to_gymnasium(self) -> gymnasium.Space[Any]:
        return gymnasium.spaces.Box(self.low, self.high, self.shape, self.dtype.type)


class Discrete(Space):
    """One of ``n`` integers, ``start`` to ``start + n - 1``.

    Args:
        n: how many there are; at least 1.
        start: the smallest.
        dtype: numpy dtype of the integer.
    """

    def __init__(self, n: int, start: int = 0, dtype: Any = np.int64) -> None:
        if n < 1:
            raise ConfigurationError(f"a Discrete space needs at least 1 element, found {n}")
        self.n, self.start, self.shape, self.dtype = int(n), int(start), (), np.dtype(dtype)

    def to_dict(self) -> dict[str, Any]:
        last = self.start + self.n - 1
        return {"shape": (self.n,), "type": "Discrete", "range": [self.start, last], "dtype": self.dtype.name}

    def to_gymnasium(self) -> gymnasium.Space[Any]:
        # gymnasium takes only its default integer as dtype of a Discrete before 1.3
        extra: dict[str, Any] = {} if self.dtype == np.int64 else {"dtype": self.dtype.type}
        return gymnasium.spaces.Discrete(self.n, start=self.start, **extra)

    def __repr__(self) -> str:
        return f"Discrete(n={self.n}, start={self.start})"


class MultiDiscrete(Space):
    """Several integers, the i-th one of ``nvec[i]``.

    Args:
        nvec: how many there are of each; any shape.
        start: the smallest of each, broadcast to the shape of ``nvec``.
        dtype: numpy dtype of the integers.
    """

    def __init__(self, nvec: Any, start: Any = 0, dtype: Any = np.int64) -> None:
        self.dtype = np.dtype(dtype)
        self.nvec = bounds.cast_exactly("nvec", nvec, self.dtype)
        self.shape = self.nvec.shape
        self.start = np.broadcast_to(bounds.cast_exactly("start", start, self.dtype), self.shape).copy()
        if self.nvec.size == 0 or (self.nvec < 1).any():
            raise ConfigurationError(f"a MultiDiscrete space needs nvec of 1 or more, found {nvec}")

    def to_dict(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "type": "MultiDiscrete",
            "range": [int(self.start.min()), int((self.start + self.nvec).max()) - 1],
            "dtype": self.dtype.name,
            "nvec": self.nvec.tolist(),
            "start": self.start.tolist(),
        }

    def to_gymnasium(self) -> gymnasium.Space[Any]:
        return gymnasium.spaces.MultiDiscrete(self.nvec, dtype=self.dtype.type, start=self.start)

    def __repr__(self) -> str:
        return f"MultiDiscrete(nvec={self.nvec.tolist()})"


class MultiBinary(Space):
    """Arrays of zeros and ones.

    Args:
        shape: shape of an element.
        is_tuple: whether gymnasium's ``n`` of a vector is a tuple of one, which is another space to it than an int.
    """

    def __init__(self, shape: tuple[int, ...], is_tuple: bool = False) -> None:
        self.shape, self.dtype = bounds.checked_size(shape), np.dtype(np.int8)
        self._is_int = len(shape) == 1 and not is_tuple

    def to_dict(self) -> dict[str, Any]:
        n = self.shape[0] if self._is_int else list(self.shape)
        return {"shape": self.shape, "type": "MultiBinary", "range": [0, 1], "dtype": "int8", "n": n}

    def to_gymnasium(self) -> gymnasium.Space[Any]:
        return gymnasium.spaces.MultiBinary(self.shape[0] if self._is_int else self.shape)


class Dict(Space):
    """Named spaces.

    Args:
        spaces: the spaces by name; at least one.

    Raises:
        ConfigurationError: if there is none, or a name is no string.
    """

    def __init__(self, spaces: Mapping[str, Space]) -> None:
        if not spaces:
            raise ConfigurationError("a Dict space needs at least one space, found none")
        self.spaces = {bounds.plain_name(name): space for name, space in spaces.items()}
        self.shape, self.dtype = (), np.dtype(object)

    def to_dict(self) -> dict[str, Any]:
        return {"type": "Dict", "spaces": {name: s.to_dict() for name, s in self.spaces.items()}}

    def to_gymnasium(self) -> gymnasium.Space[Any]:
        return gymnasium.spaces.Dict({name: s.to_gymnasium() for name, s in self.spaces.items()})

    def tensor_spec(self) -> Any:
        return {name: space.tensor_spec() for name, space in self.spaces.items()}

    def __hash__(self) -> int:
        # equal spaces may hold their names in another order
        return hash(frozenset(self.spaces.items()))

    def __repr__(self) -> str:
        return f"Dict({self.spaces})"


_SPACES = (Space, gymnasium.Space, dm_env.specs.Array)


def as_space(x: SpaceLike, key: str = "space") -> Space:
    """Return the space that ``x`` describes.

    Args:
        x: a ``Space``, a gymnasium space, a dm_env spec, a mapping that names these or further mappings of them, or a
            dict form.
        key: what the space is called in an error, ``"observation_space"`` say.

    Raises:
        ConfigurationError: one line that says what was found and what would be right.

    Example:
        >>> as_space({"shape": (3,), "type": "Discrete", "range": [0, 2]})
        Discrete(n=3, start=0)
        >>> as_space(gymnasium.spaces.Box(-1, 1, (2,))) == as_space({"shape": (2,), "type": "Box", "range": [-1, 1]})
        True
    """
    try:
        return _read(x, key)
    except ConfigurationError as error:
        is_named = str(error).startswith((f"{key}:", f"{key}."))
        raise ConfigurationError(_one_line(error if is_named else f"{key}: {error}")) from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        shown = textwrap.shorten(str(x), 200)
        raise ConfigurationError(f"{key}: found {shown}, which is no space ({_one_line(error)}); {_FORMS}") from error


def _read(x: SpaceLike, key: str) -> Space:
    if isinstance(x, Space):
        return x
    if isinstance(x, gymnasium.Space):
        return _from_gymnasium(x, key)
    if isinstance(x, dm_env.specs.Array):
        return _from_dm_env(x, key)
    if isinstance(x, Mapping):
        return _from_dict(x, key)
    if isinstance(x, Sequence) and x and all(isinstance(part, (Mapping, *_SPACES)) for part in x):
        raise ConfigurationError(f"{key}: found a {type(x).__name__} of {len(x)} spaces; use a dict that names each")
    raise ConfigurationError(f"{key}: found {type(x).__name__} {x!r}; {_FORMS}")


def _from_gymnasium(x: gymnasium.Space[Any], key: str) -> Space:
    spaces = gymnasium.spaces
    if isinstance(x, spaces.Box):
        return Box(x.low, x.high, tuple(x.shape), x.dtype)
    if isinstance(x, spaces.Discrete):
        return Discrete(int(x.n), int(x.start), x.dtype)
    if isinstance(x, spaces.MultiDiscrete):
        return MultiDiscrete(x.nvec, x.start, x.dtype)
    if isinstance(x, spaces.MultiBinary):
        return MultiBinary(tuple(x.shape), is_tuple=isinstance(x.n, tuple))
    if isinstance(x, spaces.Dict):
        return Dict({name: as_space(part, f"{key}.{name}") for name, part in x.spaces.items()})
    if "action_space" in key:
        raise ConfigurationError(f"{key}: {type(x).__name__} actions are not supported; {ACTION_FORMS}")
    raise ConfigurationError(
        f"{key}: {type(x).__name__} spaces are not supported; "
        f"use Box, Discrete, MultiDiscrete, MultiBinary or a Dict of these{_or_else(x, key)}"
    )


def _from_dm_env(x: dm_env.specs.Array, key: str) -> Space:
    if x.dtype.kind not in "biuf":
        found = "text" if isinstance(x, dm_env.specs.StringArray) else f"dtype {x.dtype}"
        raise ConfigurationError(
            f"{key}: {found} is not supported, found {type(x).__name__}; use numbers{_or_else(x, key)}"
        )
    if isinstance(x, dm_env.specs.DiscreteArray):
        return Discrete(int(x.num_values), dtype=x.dtype)
    dtype = np.dtype(np.float32) if np.issubdtype(x.dtype, np.floating) else np.dtype(x.dtype)
    if isinstance(x, dm_env.specs.BoundedArray):
        return Box(x.minimum, x.maximum, tuple(x.shape), dtype)
    return Box(*bounds.dtype_bounds(dtype), tuple(x.shape), dtype)


def _from_dict(x: Mapping[str, Any], key: str) -> Space:
    if _names_spaces(x):
        return Dict({name: as_space(part, f"{key}.{name}") for name, part in x.items()})
    kind = x.get("type", "Box")
    if kind == "Dict":
        return Dict({name: as_space(part, f"{key}.{name}") for name, part in _need(x, "spaces", key).items()})
    readers = {
        "Box": _read_box,
        "Discrete": _read_discrete,
        "MultiDiscrete": _read_multi_discrete,
        "MultiBinary": _read_multi_binary,
    }
    if kind not in readers:
        forms = ACTION_FORMS if "action_space" in key else "use Box, Discrete, MultiDiscrete, MultiBinary or Dict"
        raise ConfigurationError(f"{key}.type: found {kind!r}; {forms}")
    return readers[kind](x, key)


def _or_else(x: object, key: str) -> str:
    if isinstance(x, gymnasium.spaces.Tuple):
        return ", or the wrapper gymnasium.wrappers.FlattenObservation, which makes one Box of the observation"
    return f", or leave {key.rpartition('.')[2]} out" if "." in key else ""


def _names_spaces(x: Mapping[str, Any]) -> bool:
    """Return whether a mapping names spaces or specs, or mappings that do; a dict form describes one itself."""
    if isinstance(x.get("type"), str):
        return False
    parts = x.values()
    return any(isinstance(part, _SPACES) or (isinstance(part, Mapping) and _names_spaces(part)) for part in parts)


def _read_box(x: Mapping[str, Any], key: str) -> Space:
    shape = _read_shape(x, key)
    is_short = "dtype" not in x and "range" not in x and "low" not in x
    dtype = np.dtype(x.get("dtype", "uint8" if is_short and len(shape) == 3 else "float32"))
    first = _read_range(x, key, bounds.dtype_bounds(dtype))
    low, high = (first[i] if x.get(side) is None else x[side] for i, side in enumerate(("low", "high")))
    return Box(bounds.as_array(low), bounds.as_array(high), shape, dtype)


def _read_discrete(x: Mapping[str, Any], key: str) -> Space:
    shape = _read_shape(x, key)
    n = shape[0] if len(shape) == 1 else 0
    first, last = _read_range(x, key, (0, n - 1))
    if n < 1 or int(first) != first or last - first + 1 != n:
        raise ConfigurationError(
            f"{key}: a Discrete space has shape (n,) and range [0, n - 1], "
            f"found shape {shape} and range {[first, last]}"
        )
    return Discrete(n, int(first), x.get("dtype", np.int64))


def _read_multi_discrete(x: Mapping[str, Any], key: str) -> Space:
    nvec, start = bounds.as_array(_need(x, "nvec", key)), bounds.as_array(x.get("start", 0))
    space = MultiDiscrete(nvec, start, x.get("dtype", np.int64))
    if "shape" in x and _read_shape(x, key) != space.shape:
        raise ConfigurationError(f"{key}.shape: found {_read_shape(x, key)}, but nvec has shape {space.shape}")
    return space


def _read_multi_binary(x: Mapping[str, Any], key: str) -> Space:
    return MultiBinary(_read_shape(x, key), is_tuple=not isinstance(x.get("n", 0), int))


def _read_shape(x: Mapping[str, Any], key: str) -> tuple[int, ...]:
    return bounds.as_shape(_need(x, "shape", key), key)


def _read_range(x: Mapping[str, Any], key: str, default: tuple[Any, Any]) -> tuple[Any, Any]:
    found = x.get("range")
    return default if found is None else bounds.as_range(found, key)


def _need(x: Mapping[str, Any], name: str, key: str) -> Any:
    value = x.get(name)
    if value is None:
        raise ConfigurationError(f"{key}.{name} is missing in {dict(x)}; {_FORMS}")
    return value


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
