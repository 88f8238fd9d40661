"""Waiting for others without using the processor, without keeping signals out, and no longer than it is worth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TypeVar

from hsuanwu.common.interrupts import is_urgent

# A signal that the system hands to another thread is handled by the main thread only when that runs again. And of
# a wait in slices, one is lost where the whole process is stopped for a while, by Ctrl-Z say: others were stopped too.
_SLICE_SECONDS = 0.5
_URGENT_SECONDS = 0.1

Item = TypeVar("Item")


def take(queue: SimpleQueue[Item], seconds: float = math.inf) -> Item:
    """Return the next item of ``queue``, waiting for it if need be.

    An exception that a signal's handler raises (Ctrl-C) leaves the queue in order: it has no lock that
    could stay taken.

    Args:
        queue: what other threads put items into.
        seconds: how long to wait at most; while this process is stopped no time passes.

    Raises:
        Empty: if nothing came in time.
    """
    for piece in slices(seconds):
        try:
            return queue.get(timeout=piece)
        except Empty:
            continue
    raise Empty


def slices(seconds: float) -> Iterator[float]:
    """Yield the pieces of a wait, which add up to ``seconds``; at least one.

    Example:
        >>> list(slices(1.2))
        [0.5, 0.5, 0.2]
    """
    whole = int(seconds // _SLICE_SECONDS) if seconds < math.inf else None
    yield from itertools.repeat(_SLICE_SECONDS) if whole is None else itertools.repeat(_SLICE_SECONDS, whole)
    yield round(seconds - (whole or 0) * _SLICE_SECONDS, 9)


class Patience:
    """Time for others to end politely, all of them together; none is left once the user presses Ctrl-C again.

    Args:
        seconds: how long.
        always: whether it lasts even then: for what was killed.
    """

    def __init__(self, seconds: float, always: bool = False) -> None:
        self._end, self._always = monotonic() + seconds, always

    def wait(self, join: Callable[[float], object], is_alive: Callable[[], bool]) -> None:
        """Wait by ``join``, which takes seconds, while ``is_alive``."""
        while is_alive() and (self._always or not is_urgent()) and monotonic() < self._end:
            join(min(_URGENT_SECONDS, max(0.0, self._end - monotonic())))
