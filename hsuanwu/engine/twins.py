"""Environments of different seeds that are one and the same: found by their experience."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hsuanwu.common.nest import leaves
from hsuanwu.common.slot import Slot

_ROWS = (32, 64)
"""Rows that are compared: in the end, and at once. Equal by chance they are not, unless hardly anything happens."""
_PATIENCE = 4096
"""Rows of one actor after which no other one is waited for."""
_FEW = 256
"""Numbers of each row that are compared; large pictures are thinned out."""

Array = np.ndarray[Any, Any]


class Twins:
    """Finds environments of different seeds that answer alike though they are given different actions.

    The first rows of each environment are kept as two sums, one of its actions and one of its answers.
    """

    def __init__(self) -> None:
        self._sums: dict[int, _Sums] = {}
        self._seen: dict[tuple[int, bytes], tuple[int, int, bytes]] = {}
        self._doubts: dict[int, str | None] = {}
        self._num_rows: dict[int, int] = {}

    def add(self, slot: Slot) -> str | None:
        """Take a slot into account; return the line if two environments are found to be alike."""
        before = self._num_rows.get(slot.actor, 0)
        rows = self._num_rows[slot.actor] = before + slot.trajectory.num_steps
        if before >= _ROWS[-1]:
            return None
        sums = self._sums.setdefault(slot.actor, _Sums(slot.trajectory.num_envs))
        sums.add(slot)
        if not any(before < enough <= rows for enough in _ROWS):
            return None
        line = self._compare(slot.actor, rows, sums)
        if rows >= _ROWS[-1]:
            del self._sums[slot.actor]
            return line
        self._doubts[slot.actor] = line
        return None

    @property
    def is_over(self) -> bool:
        """Whether every actor that is waited for has been compared."""
        return max(self._num_rows.values(), default=0) >= _PATIENCE

    def conclude(self) -> str | None:
        """Return the line of actors that have made few rows, for nothing more will come of them."""
        return next((line for actor in self._sums if (line := self._doubts.get(actor))), None)

    def _compare(self, actor: int, rows: int, sums: _Sums) -> str | None:
        for index, (answers, actions) in enumerate(sums.digests()):
            if not sums.has_changed[index]:
                continue  # nothing has happened at all
            other = self._seen.setdefault((rows, answers), (actor, index, actions))
            if other[2] != actions:
                return (
                    f"environment {index} of actor {actor} and environment {other[1]} of actor {other[0]} have "
                    f"different seeds and got different actions, but their first {rows} steps are the same; "
                    "if there is chance in the environment, it must come from reset(seed=...)"
                )
        return None


class _Sums:
    """Of what the environments of one actor were given, and of what they answered.

    Attributes:
        has_changed: ``[num_envs]`` whether not all rows of an environment were the same.
    """

    def __init__(self, num_envs: int) -> None:
        self.has_changed = np.zeros(num_envs, np.bool_)
        self._firsts: list[Array] = []
        self._answers = [hashlib.blake2b(digest_size=16) for _ in range(num_envs)]
        self._actions = [hashlib.blake2b(digest_size=16) for _ in range(num_envs)]

    def add(self, slot: Slot) -> None:
        """Add the rows of a slot."""
        rollout = slot.trajectory
        parts = [_thinned(leaf.numpy()[:-1]) for leaf in leaves(rollout.observation)]
        parts += [_thinned(x.numpy()) for x in (rollout.reward, rollout.terminated, rollout.truncated)]
        self._firsts = self._firsts or [part[:1].copy() for part in parts]
        for part, first in zip(parts, self._firsts, strict=True):
            self.has_changed |= (part != first).any((0, 2))
            _update(self._answers, part)
        _update(self._actions, rollout.action.numpy())

    def digests(self) -> list[tuple[bytes, bytes]]:
        """Return, for each environment, the sums of its answers and of its actions."""
        return [(x.digest(), y.digest()) for x, y in zip(self._answers, self._actions, strict=True)]


def _thinned(rows: Array) -> Array:
    """Return some of the numbers of each row, ``[T, B, n]`` with n at most ``_FEW``."""
    flat = rows.reshape(*rows.shape[:2], -1)
    return flat[..., :: max(1, -(-flat.shape[-1] // _FEW))]


def _update(sums: Sequence[Any], rows: Array) -> None:
    for one, column in zip(sums, np.ascontiguousarray(rows.swapaxes(0, 1)), strict=True):
        one.update(column)
