"""Where the time goes: every second belongs to the activity that it was lapped to."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from hsuanwu.common.slot import Activity


class Stopwatch:
    """Accounts for all of its time since it was made, or last read.

    Example:
        >>> stopwatch = Stopwatch()
        >>> stopwatch.lap(Activity.ENVIRONMENT)
        >>> bool(stopwatch.read()[Activity.ENVIRONMENT] > 0)
        True
    """

    def __init__(self) -> None:
        self._seconds = [0.0] * len(Activity)
        self._last = perf_counter()

    def lap(self, activity: Activity) -> None:
        """Count the time since the last lap as spent on ``activity``."""
        now = perf_counter()
        self._seconds[activity] += now - self._last
        self._last = now

    def read(self) -> np.ndarray[Any, Any]:
        """Return the seconds of each activity, ``[len(Activity)]``, and start again from zero."""
        seconds = np.array(self._seconds)
        self._seconds = [0.0] * len(Activity)
        return seconds
