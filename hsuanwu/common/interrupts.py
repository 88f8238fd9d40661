"""Ctrl-C and SIGTERM: what they raise, and holding them back where they would be lost or leave something half done."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interruption(BaseException):
    """Raised by a handler of a signal: somebody outside wants this process to end."""


class Interrupted(Interruption, KeyboardInterrupt):
    """Raised at Ctrl-C by a handler of ours; an environment that raises KeyboardInterrupt raises something else."""


class Terminated(Interruption):
    """Raised at SIGTERM."""


_raised: Interruption | None = None


def raise_for_signal(error: Interruption) -> NoReturn:
    """Raise what a signal means, from its handler; ``raise_again`` knows of it."""
    global _raised
    _raised = error
    raise error


def raise_again() -> None:
    """Raise what a signal has raised, if this process goes on in spite of it.

    Python runs handlers between any two steps of its own, a destructor's or a callback's too, and drops what they
    raise there.
    """
    if _raised is not None:
        raise _raised


def forget_signals() -> None:
    """Begin anew: what was raised before was heard."""
    global _raised
    _raised = None


def forget_handlers_in_forks() -> None:
    """Let processes that an environment forks from this one end by signals as others do.

    A handler of Python's that they inherit would not be enough: a signal that comes just before a wait wakes nobody.
    One that comes before the handler is taken away waits until it is.
    """
    global _is_registered
    if not _is_registered and hasattr(os, "register_at_fork"):
        _is_registered = True
        os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_forget_handlers)


_is_registered = False
_forking = threading.local()


def _block() -> None:
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _forget_handlers() -> None:
    for number in _NUMBERS:
        handler = signal.getsignal(number)
        if str(getattr(getattr(handler, "func", handler), "__module__", "")).startswith("hsuanwu."):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _unblock()


def is_interruption(error: BaseException) -> bool:
    """Return whether an exception comes from a signal, and not from the code that it passed through.

    A plain KeyboardInterrupt counts where Python's own handler is installed, which raises it.
    """
    if isinstance(error, Interruption):
        return True
    is_main = threading.current_thread() is threading.main_thread()
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return type(error) is KeyboardInterrupt and is_main and is_default


class HeldInterrupts:
    """What has arrived while SIGINT and SIGTERM were held back, and a way to let them through for a while."""

    def __init__(self) -> None:
        self._arrived: list[int] = []
        self._handlers: dict[int, Any] = {}

    def hold(self) -> None:
        """Take note of signals from now on, and do nothing about them."""
        for number in _NUMBERS:
            self._handlers[number] = signal.signal(number, lambda number, _: self._arrived.append(number))

    def release(self) -> None:
        """Put the handlers back, and give them what has arrived."""
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            # None: it was not installed from Python, and cannot be put back from there
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        arrived, self._arrived = self._arrived, []
        for number in arrived:
            signal.raise_signal(number)

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """Let signals through for a while: first those that have arrived."""
        if not self._handlers:  # of a thread that is never interrupted
            yield
            return
        try:
            self.release()
            yield
        finally:
            self.hold()


@contextmanager
def interrupts_held() -> Iterator[HeldInterrupts]:
    """Hold SIGINT and SIGTERM back; their handlers hear of them at the end.

    A mask of the system would keep them from one thread alone, and they would arrive by way of another one. Outside
    the main thread, which Python never interrupts, nothing is done.
    """
    held = HeldInterrupts()
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    held.hold()
    try:
        yield held
    finally:
        held.release()
