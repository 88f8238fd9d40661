"""An end for waiting on code that is not ours: an environment that hangs in the thread that called it."""

from __future__ import annotations

import faulthandler
import math
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from types import FrameType

_GRACE_SECONDS = 60.0
"""Time after which a process ends that even a signal could not wake: code in C that holds the interpreter's lock."""
_SLACK = 0.1
"""Part of a deadline by which it may be late, so that renewing it need not ask the system each time."""
_AGAIN_SECONDS = 0.5
_SOON = 1e-3


class Expired(BaseException):
    """A deadline passed; raised within the code that was waited for.

    Args:
        seconds: the time that was given.
        hint: what may be done about it.
    """

    def __init__(self, seconds: float, hint: str) -> None:
        super().__init__(f"nothing happened for {seconds:g} s")
        self.seconds, self.hint = seconds, hint


class Deadline:
    """A time after which the main thread is interrupted; see ``deadline``.

    Attributes:
        is_waiting: whether the code that is waited for runs just now; while it does not, time does not count.
    """

    def __init__(self, seconds: float, hint: str) -> None:
        self._seconds, self._hint = seconds, hint
        self._set_at = -math.inf
        self.is_waiting = True

    def renew(self) -> None:
        """Begin anew: something has happened."""
        if monotonic() - self._set_at > _SLACK * self._seconds:
            self._set()

    def _set(self) -> None:
        self._set_at, seconds = monotonic(), (1 + _SLACK) * self._seconds
        # again and again: an alarm between Python's last look at signals and a system call that waits wakes nobody
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        if sys.__stderr__ is not None:
            with suppress(OSError, ValueError):  # it may be closed
                faulthandler.dump_traceback_later(seconds + _GRACE_SECONDS, exit=True, file=sys.__stderr__)

    def expire(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        if self.is_waiting:
            raise Expired(self._seconds, self._hint)
        self._set()


class _Never(Deadline):
    def renew(self) -> None:
        pass


@contextmanager
def deadline(seconds: float, hint: str) -> Iterator[Deadline]:
    """Raise ``Expired`` in the code within, if it takes longer than ``seconds`` between two renewals.

    The system's alarm wakes what sleeps or computes in Python. What does neither for another minute ends the
    process with its traceback and status 1. Outside the main thread, which alone gets signals, and on systems
    without such an alarm there is no deadline.

    Args:
        seconds: how long nothing may happen.
        hint: what may be done about it, for the message.

    Example:
        >>> with deadline(60.0, "be patient") as limit:
        ...     for _ in range(3):
        ...         limit.renew()
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield _Never(seconds, hint)
        return
    limit, start = Deadline(seconds, hint), monotonic()
    earlier = signal.getitimer(signal.ITIMER_REAL)[0]
    handler = signal.signal(signal.SIGALRM, limit.expire)
    try:
        limit.renew()
        yield limit
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if earlier:  # somebody else's alarm
            signal.setitimer(signal.ITIMER_REAL, max(earlier - (monotonic() - start), _SOON))
