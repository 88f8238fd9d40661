"""Memory that is freed and wanted again a moment later."""

from __future__ import annotations

import ctypes

_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Make this process keep freed memory instead of giving it back; return whether its C library can.

    glibc maps large blocks anew for each tensor and unmaps them when they are freed: a learner on the CPU
    then spends up to a quarter of its time on page faults. Other libraries and systems are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
