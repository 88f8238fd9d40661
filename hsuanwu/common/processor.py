"""Processor time of this process, and the time that it waits for a core."""

from __future__ import annotations

from pathlib import Path
from time import process_time

_STATISTICS = Path("/proc/thread-self/schedstat")


def queue_seconds() -> float:
    """Return how long this thread, ready to compute, has waited for a core that others kept busy.

    0 where the system does not say: elsewhere than on Linux, or where it keeps no such statistics.
    """
    try:
        return int(_STATISTICS.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def busy_seconds() -> float:
    """Return for how long this process has computed, on all cores together, or this thread has waited for a core.

    What is left of a time is what it waited for something else: a clock, a network, another program's answer.
    """
    return process_time() + queue_seconds()
