"""Observations on their way in: room for them, filling it, and checking each against its space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sized
from typing import Any, final

import numpy as np

from hsuanwu.common.bounds import dtype_bounds
from hsuanwu.common.nest import Nest, first_leaf
from hsuanwu.common.protocols import Array
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiDiscrete, Space
from hsuanwu.env.fault import WrongAnswer, shown

_FITTING_KINDS = {"f": "biuf", "i": "biu", "u": "biu", "b": "biu"}
"""Kinds of numbers that a dtype can hold, by its own kind, if it has the range: never fractions as integers."""


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
    """Return one target for each row of a batch: a view, or a dict of views; see ``ObservationReader.write``.

    Example:
        >>> _, second = row_views(np.zeros((2, 3)))
        >>> second.shape
        (3,)
    """
    if isinstance(batch, dict):
        rows = zip(*map(row_views, batch.values()), strict=True)
        return [dict(zip(batch, row, strict=True)) for row in rows]
    # a view that exists takes an observation in half the time of ``batch[index] = observation``
    return [batch[index, ...] for index in range(len(batch))]


def plain_views(space: Space, batch: Nest) -> list[memoryview | None]:
    """Return one view for each row of a batch of a flat Box, which takes observations of its dtype and shape alone.

    None for each row of any other space: what it shows has to go through ``ObservationReader.write``.

    Example:
        >>> (view,) = plain_views(Box(0, 1, (2,)), np.zeros((1, 2), np.float32))
        >>> view[:] = np.zeros(2, np.float32)
        >>> view[:] = np.zeros(1, np.float32)
        Traceback (most recent call last):
            ...
        ValueError: memoryview assignment: lvalue and rvalue have different structures
    """
    if not isinstance(space, Box) or len(space.shape) != 1 or not space.shape[0]:
        return [None] * len(first_leaf(batch))
    return [memoryview(row) for row in batch]


def observation_reader(space: Space, key: str = "observation_space") -> ObservationReader:
    """Return the reader of a space's observations.

    Args:
        space: what the environment says.
        key: what the space is called in a problem.
    """
    if isinstance(space, Dict):
        return DictReader({name: observation_reader(part, f"{key}.{name}") for name, part in space.spaces.items()}, key)
    return BoxReader(space, key) if isinstance(space, Box) else IntegerReader(space, key)


class ObservationReader(ABC):
    """Takes what an environment shows, if it is what the space says.

    Names, shapes, dtypes, the range of a dtype and the membership of integers are checked as observations come; that
    numbers are finite, for a whole batch at once.
    """

    @abstractmethod
    def write(self, row: Any, observation: Any) -> None:
        """Copy one observation, of any type, into a row of ``row_views``; integers count from 0 there.

        Raises:
            WrongAnswer: if the space does not allow it.
        """

    @abstractmethod
    def read(self, observation: Any, num_envs: int) -> Nest:
        """Return a native batch of observations as arrays, ``[num_envs, ...]`` in the dtypes of the space.

        Integers count from 0. The arrays may be those of the environment: copy what must outlive its next call.

        Raises:
            WrongAnswer: if the space does not allow it.
        """

    @abstractmethod
    def check_finite(self, batch: Nest) -> None:
        """Check that all numbers of a batch, ``[num_envs, ...]`` arrays, are finite.

        Raises:
            WrongAnswer: if one is not; it names the row.
        """


@final
class DictReader(ObservationReader):
    """Reads dicts, entry by entry."""

    def __init__(self, parts: dict[str, ObservationReader], key: str) -> None:
        self._parts, self._key = parts, key

    def write(self, row: Any, observation: Any) -> None:
        for name, part in self._items(observation):
            self._parts[name].write(row[name], part)

    def read(self, observation: Any, num_envs: int) -> Nest:
        return {name: self._parts[name].read(part, num_envs) for name, part in self._items(observation)}

    def check_finite(self, batch: Nest) -> None:
        for name, part in self._parts.items():
            part.check_finite(batch[name])

    def _items(self, observation: Any) -> list[tuple[str, Any]]:
        try:
            items = [(name, observation[name]) for name in self._parts]
        except Exception as error:
            raise self._other_entries(observation) from error
        if isinstance(observation, Sized) and len(observation) != len(items):  # the learner would never see the rest
            raise self._other_entries(observation)
        return items

    def _other_entries(self, observation: Any) -> WrongAnswer:
        if observation is None:
            return WrongAnswer(f"{self._key}: an observation is None")
        found = list(observation) if isinstance(observation, Mapping) else shown(observation)
        return WrongAnswer(f"{self._key}: the space has {list(self._parts)}, but an observation is {found}")


class _ArrayReader(ObservationReader):
    """Reads arrays, and what numpy makes arrays of."""

    def __init__(self, space: Space, key: str) -> None:
        self._key, self._shape, self._dtype = key, space.shape, space.dtype

    def check_finite(self, batch: Nest) -> None:
        pass

    def _fitting(self, observation: Any, rows: tuple[int, ...] = ()) -> Array:
        """Return an observation as an array of the space's dtype and of shape ``(*rows, *shape)``."""
        if observation is None:
            raise WrongAnswer(f"{self._key}: an observation is None")
        if isinstance(observation, np.ma.MaskedArray) and np.ma.is_masked(observation):
            raise WrongAnswer(f"{self._key}: an observation is masked: {shown(observation)}")
        try:
            array = np.asarray(observation)
        except Exception as error:  # lists of uneven length, tensors on a GPU
            raise WrongAnswer(f"{self._key}: an observation is no array: {shown(observation)}") from error
        if array.dtype.kind not in _FITTING_KINDS[self._dtype.kind]:
            raise self._wrong_dtype(array, f": {array.flat[0]!s:.60}" if array.size else "")
        if array.shape != (*rows, *self._shape):
            batch = f", so {(*rows, *self._shape)} in a batch" if rows else ""
            found = "observations have" if rows else "an observation has"
            raise WrongAnswer(f"{self._key}: the space says shape {self._shape}{batch}, but {found} {array.shape}")
        return array if array.dtype == self._dtype else self._cast(array)

    def _cast(self, array: Array) -> Array:
        if self._dtype.kind == "f":
            try:
                with np.errstate(over="raise"):
                    cast = array.astype(self._dtype)
            except FloatingPointError:
                sizes = np.where(np.isfinite(array), np.abs(array), 0)
                raise self._wrong_dtype(array, f" with {array.flat[sizes.argmax()]}") from None
            if array.dtype.kind in "iu" and (rounded := cast.astype(np.longdouble) != array).any():
                raise self._wrong_dtype(array, f" with {array[rounded].flat[0]}, which it cannot hold")
            return cast
        least, greatest = dtype_bounds(self._dtype)
        for number in (int(array.min()), int(array.max())) if array.size else ():
            if not least <= number <= greatest:
                raise self._wrong_dtype(array, f" with {number}")
        return array.astype(self._dtype)

    def _wrong_dtype(self, array: Array, what: str) -> WrongAnswer:
        return WrongAnswer(f"{self._key}: the space says {self._dtype}, but an observation has {array.dtype}{what}")


@final
class BoxReader(_ArrayReader):
    """Reads the observations of a Box."""

    def __init__(self, space: Space, key: str) -> None:
        super().__init__(space, key)
        self._zeros = np.zeros(0, space.dtype)

    def write(self, row: Any, observation: Any) -> None:
        # what is neither converted nor broadcast costs a tenth of what any other observation does
        is_plain = type(observation) is np.ndarray and observation.dtype is self._dtype
        row[()] = observation if is_plain and observation.shape == self._shape else self._fitting(observation)

    def read(self, observation: Any, num_envs: int) -> Nest:
        array = self._fitting(observation, (num_envs,))
        # a tensor can have no negative stride, which a flipped picture has
        flags = array.flags
        is_usable = flags.writeable and (flags.c_contiguous or min(array.strides) >= 0)
        return array if is_usable else array.copy()

    def check_finite(self, batch: Nest) -> None:
        if self._dtype.kind != "f":
            return
        if self._zeros.size != batch.size:
            self._zeros = np.zeros(batch.size, self._dtype)
        # 0 times NaN or infinity is NaN: one pass, where a test of each number needs two and an array between them;
        # vdot does not warn of what is looked for; numbers in any order are a view of batches that are transposed, too
        if np.vdot(batch.ravel("K"), self._zeros) != 0:
            place = tuple(map(int, np.argwhere(~np.isfinite(batch))[0]))
            at = f" at {list(place[1:])}" if place[1:] else ""
            raise WrongAnswer(f"{self._key}: an observation is {batch[place]}{at}", place[0])


@final
class IntegerReader(_ArrayReader):
    """Reads integers of which each is one of a few: those of Discrete, MultiDiscrete and MultiBinary."""

    def __init__(self, space: Space, key: str) -> None:
        super().__init__(space, key)
        self._start = np.broadcast_to(np.asarray(getattr(space, "start", 0), np.int64), space.shape)
        counts = {Discrete: "n", MultiDiscrete: "nvec"}
        count = getattr(space, counts[type(space)]) if type(space) in counts else 2
        self._greatest = self._start + np.asarray(count, np.int64) - 1
        self._least_one, self._greatest_one = int(self._start.flat[0]), int(self._greatest.flat[0])

    def write(self, row: Any, observation: Any) -> None:
        is_one = self._shape == () and (type(observation) is int or type(observation) is np.int64)
        if is_one and self._least_one <= observation <= self._greatest_one:
            row[()] = observation - self._least_one
        else:
            row[()] = self._from_zero(np.asarray(observation) if is_one else self._fitting(observation))

    def read(self, observation: Any, num_envs: int) -> Nest:
        return self._from_zero(self._fitting(observation, (num_envs,)))

    def _from_zero(self, array: Array) -> Array:
        wrong = (array < self._start) | (array > self._greatest)
        if wrong.any():
            place = tuple(map(int, np.argwhere(wrong)[0]))
            rank = array.ndim - len(self._shape)
            within = place[rank:]
            at = f" at {list(within)}" if within else ""
            raise WrongAnswer(
                f"{self._key}: {array[place]}{at} is not one of {self._start[within]} to {self._greatest[within]}",
                place[0] if rank else None,
            )
        return (array - self._start).astype(self._dtype)
