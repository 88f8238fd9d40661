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

from hsuanwu.common.interrupts import interrupts_held

WAKE = int(signal.SIGRTMAX) - 3 if hasattr(signal, "SIGRTMAX") else int(getattr(signal, "SIGVTALRM", 0))
"""The signal that interrupts the main thread: not SIGALRM, which environments use for time limits of their own."""

_GRACE_SECONDS = 60.0
"""Time after which a process ends that even a signal could not wake: code in C that holds the interpreter's lock."""
_SLACK = 0.1
"""Part of a deadline after which a renewal puts off that end, too."""
_AGAIN_SECONDS = 0.5
_PARTS = 8


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
        self._renewed, self._put_off = 0, -math.inf
        self._is_due, self._is_over = False, threading.Event()
        self._thread: threading.Thread | None = None
        self.is_waiting = True

    def renew(self) -> None:
        """Begin anew: something has happened."""
        self._renewed += 1
        if monotonic() - self._put_off > _SLACK * self._seconds:
            self._put_end_off()

    def start(self) -> None:
        """Begin to watch, in a thread."""
        self.renew()
        self._thread = threading.Thread(target=self._watch, name="hsuanwu-deadline", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the watch."""
        self.is_waiting = False  # a signal may be on its way
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        # in parts: while the process is stopped, by Ctrl-Z say, one of them passes and not all
        piece, num_parts, renewed = self._seconds / _PARTS, 0, self._renewed
        while not self._is_over.wait(_AGAIN_SECONDS if self._is_due else piece):
            if renewed != self._renewed or not self.is_waiting:
                renewed, num_parts, self._is_due = self._renewed, 0, False
                self._put_end_off()
                continue
            num_parts += 1
            if self._is_due or num_parts > _PARTS:
                # again and again: a signal between Python's last look at them and a call that waits wakes nobody
                num_parts, self._is_due = 0, True
                self._wake()

    def _wake(self) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, WAKE)

    def _put_end_off(self) -> None:
        self._put_off = monotonic()
        if sys.__stderr__ is not None:
            with suppress(OSError, ValueError):  # it may be closed
                seconds = (1 + _SLACK) * self._seconds + _GRACE_SECONDS
                faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)

    def expire(self, number: int, frame: FrameType | None) -> None:
        """Handle the signal; it may be that of another deadline, around this one, which comes again."""
        if self._is_due and self.is_waiting:
            self._is_due = False
            raise Expired(self._seconds, self._hint)

    def let_expire(self) -> None:
        """Do what happens when the time is over: for tests, which do not wait for it."""
        self._is_due = True
        signal.raise_signal(WAKE)


class _Never(Deadline):
    def renew(self) -> None:
        pass


current: Deadline | None = None
"""The innermost deadline of the main thread."""


@contextmanager
def deadline(seconds: float, hint: str) -> Iterator[Deadline]:
    """Raise ``Expired`` in the code within, if it takes longer than ``seconds`` between two renewals.

    A signal wakes what sleeps or computes in Python. What does neither for another minute ends the process with its
    traceback and status 1. While the process is stopped no time passes. Outside the main thread, which alone gets
    signals, and on systems without them there is no deadline.

    Args:
        seconds: how long nothing may happen.
        hint: what may be done about it, for the message.

    Example:
        >>> with deadline(60.0, "be patient") as limit:
        ...     for _ in range(3):
        ...         limit.renew()
    """
    global current
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_kill"):
        yield _Never(seconds, hint)
        return
    limit, outer = Deadline(seconds, hint), current
    handler = signal.signal(WAKE, limit.expire)
    current = limit
    try:
        with interrupts_held():  # a thread that is half started would be forgotten
            limit.start()
        yield limit
    finally:
        with interrupts_held():
            limit.stop()
        current = outer
        faulthandler.cancel_dump_traceback_later()
        # after the last signal of this one, which may be on its way
        signal.signal(WAKE, signal.SIG_IGN if handler in (None, signal.SIG_DFL) else handler)
        if outer is not None:
            outer.renew()
