"""Doubts about an environment that its experience raises: said once each, while training goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hsuanwu.common.bounds import dtype_bounds
from hsuanwu.common.errors import warn_of_environment
from hsuanwu.common.nest import leaves
from hsuanwu.common.slot import Slot
from hsuanwu.common.spaces import Box, Dict, Space
from hsuanwu.engine.evaluator import MANY_STEPS, MOST_STEPS, most_steps
from hsuanwu.engine.twins import Twins

_LONG_STEPS = 10_000
"""Steps of each environment after which somebody should have seen the end of an episode."""

Array = np.ndarray[Any, Any]


class Inspector:
    """Looks at slots as they arrive, before the learner gives them back.

    It may be called in another thread than the learner's; what it has to say waits for ``speak``.

    Args:
        observation_space: what the environment says.
        longest: steps of the longest episode that ended before, in a run that is resumed; 0 for none.

    Attributes:
        longest: steps of the longest episode that has ended; 0 for none.
        num_outside: observations so far with a number outside the bounds of its space.
    """

    def __init__(self, observation_space: Space, longest: int = 0) -> None:
        self.longest, self.num_outside = longest, 0
        self._bounds = list(_bounds(observation_space))
        self._twins: Twins | None = Twins()
        self._steps: dict[int, int] = {}
        self._lines: list[str] = []
        self._has_asked_for_end = False

    def inspect(self, slots: Sequence[Slot]) -> None:
        """Look at slots whose trajectories may still be read."""
        for slot in slots:
            self.longest = max(self.longest, int(slot.episode_length.max()))
            num_steps = slot.trajectory.num_steps
            self._steps[slot.actor] = self._steps.get(slot.actor, 0) + num_steps
            self._count_outside(slot)
            if self._twins is not None:
                line = self._twins.add(slot)
                if line is not None or self._twins.is_over:
                    self._end_twins(line)
        if not self.longest and not self._has_asked_for_end and self.steps_each >= _LONG_STEPS:
            self._has_asked_for_end = True
            self._lines.append(no_end(self.steps_each))

    @property
    def steps_each(self) -> int:
        """Steps that an environment has made, rows on which it reset itself included."""
        return max(self._steps.values(), default=0)

    def speak(self) -> None:
        """Warn of what was found since the last time."""
        lines, self._lines = self._lines, []
        for line in lines:
            warn_of_environment(line)

    def conclude(self) -> None:
        """Say what is left to say when training is over."""
        self._end_twins()
        self.speak()
        if not self.longest and self.steps_each:
            warn_of_environment(no_end(self.steps_each))

    @property
    def episode_limit(self) -> int:
        """Steps after which an evaluation leaves an episode; 0 if none will end, for none has in a long time.

        Before any training it is the evaluator's own.
        """
        if not self.longest and not self.steps_each:
            return MOST_STEPS
        is_hopeless = not self.longest and self.steps_each >= MANY_STEPS
        return 0 if is_hopeless else most_steps(self.longest, self.steps_each)

    def _end_twins(self, line: str | None = None) -> None:
        """Say that two environments are alike, if they are, and look no further."""
        if self._twins is not None:
            line = line or self._twins.conclude()
            self._lines += [line] if line else []
            self._twins = None

    def _count_outside(self, slot: Slot) -> None:
        arrays = leaves(slot.trajectory.observation)
        for bounds, tensor in zip(self._bounds, arrays, strict=True):
            if bounds is None:
                continue
            rows: Array = tensor.numpy()[1:]  # the first row was the last one of the slot before
            if not bounds.has_outside(rows):
                continue
            outside = (rows < bounds.low) | (rows > bounds.high)
            if not self.num_outside:
                self._lines.append(bounds.line(rows, outside, slot.actor))
            self.num_outside += int(outside.reshape(*rows.shape[:2], -1).any(-1).sum())


def no_end(steps: int) -> str:
    """Return the line for environments in which no episode has ended."""
    return (
        f"no episode has ended in {steps:,} steps of each environment; if episodes have no end of their own, let them "
        "be truncated (env.kwargs.max_episode_steps=1000 in gymnasium): without one there is no return to report"
    )


@dataclass
class _Bounds:
    """Least and greatest values of one entry of an observation.

    Attributes:
        key: what it is called.
        low: least values, ``[*shape]``.
        high: greatest values.
    """

    key: str
    low: Array
    high: Array
    _tiled: dict[int, tuple[Array, Array]] = field(default_factory=dict)

    def has_outside(self, rows: Array) -> bool:
        """Return whether a number of ``[T, B, *shape]``, all of them finite, is outside the bounds.

        Every slot is looked at, and its memory is another processor's until now: it is read once for the least and
        once for the greatest numbers over T, and only those are compared.
        """
        if rows.shape[1] not in self._tiled:
            # bounds that differ are laid out in full: to broadcast a few numbers at a time takes ten times as long
            self._tiled[rows.shape[1]] = (_tiled(self.low, rows.shape[1:]), _tiled(self.high, rows.shape[1:]))
        low, high = self._tiled[rows.shape[1]]
        is_below = np.minimum.reduce(rows, 0) < low
        return bool(np.count_nonzero(is_below) or np.count_nonzero(np.maximum.reduce(rows, 0) > high))

    def line(self, rows: Array, outside: Array, actor: int) -> str:
        """Return the line for the first number that is outside."""
        place = tuple(np.argwhere(outside)[0])
        low, high = self.low[place[2:]], self.high[place[2:]]
        at = f" at {[int(i) for i in place[2:]]}" if place[2:] else ""
        return (
            f"{self.key}: an observation of actor {actor}, environment {place[1]}, has {rows[place]:g}{at}, and the "
            f"space says {low:g} to {high:g}; it is taken as it is. Correct the bounds: numbers are scaled by them"
        )


def _tiled(bound: Array, shape: tuple[int, ...]) -> Array:
    if (bound == bound.flat[0]).all():
        return np.asarray(bound.flat[0])
    return np.broadcast_to(bound, shape).copy()


def _bounds(space: Space, key: str = "observation_space") -> Iterator[_Bounds | None]:
    """Yield the bounds of each entry of a space; None where its dtype allows nothing outside."""
    if isinstance(space, Dict):
        for name, part in space.spaces.items():
            yield from _bounds(part, f"{key}.{name}")
        return
    if not isinstance(space, Box) or 0 in space.shape:
        yield None
        return
    least, greatest = dtype_bounds(space.dtype)
    is_tight = bool((space.low > least).any() or (space.high < greatest).any())
    yield _Bounds(key, space.low, space.high) if is_tight else None
