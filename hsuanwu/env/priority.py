"""Threads that give way to others."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_LOWER = 10
"""Steps of niceness; the system gives a thread a tenth of what it gives one without them, where both want a core."""


def at_lower_priority(make: Callable[[], T]) -> T:
    """Return what ``make`` returns; threads that it starts have a lower priority than the caller.

    A thread that infers, or learns, and wakes up on a machine whose cores all step environments would wait some
    milliseconds for one of them. Threads inherit the priority of the one that starts them, and cannot be told
    afterwards: ``make`` runs in a thread of its own. Where the system is not Linux, it is just called.
    """
    if sys.platform != "linux":
        return make()
    with ThreadPoolExecutor(1, initializer=_give_way) as pool:
        return pool.submit(make).result()


def _give_way() -> None:
    thread = threading.get_native_id()
    with suppress(OSError):  # a sandbox may forbid it
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _LOWER)
