"""Waiting for another thread without using the processor, and without keeping signals out."""

from __future__ import annotations

import math
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TypeVar

# A signal that the system hands to another thread is handled by the main thread only when that runs again.
_SLICE_SECONDS = 0.5

Item = TypeVar("Item")


def take(queue: SimpleQueue[Item], seconds: float = math.inf) -> Item:
    """Return the next item of ``queue``, waiting for it if need be.

    An exception that a signal's handler raises (Ctrl-C) leaves the queue in order: it has no lock that
    could stay taken.

    Args:
        queue: what other threads put items into.
        seconds: how long to wait at most.

    Raises:
        Empty: if nothing came in time.
    """
    deadline = monotonic() + seconds
    while True:
        remaining = deadline - monotonic()
        try:
            return queue.get(timeout=max(0.0, min(remaining, _SLICE_SECONDS)))
        except Empty:
            if remaining <= _SLICE_SECONDS:
                raise
