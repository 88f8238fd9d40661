"""Memory of this machine, in bytes."""

from __future__ import annotations

import os
from pathlib import Path

_MEMORY = Path("/proc/meminfo")


def total_memory() -> int | None:
    """Return the bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def free_memory() -> int | None:
    """Return the bytes that can be had without swapping, or all memory where only that is known; else None."""
    try:
        known = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        return int(known["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return total_memory()
