"""Signals that end a process politely: what they raise, and holding them back where something would be half done."""

from __future__ import annotations

import functools
import math
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU")
ENDING = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""Signals by which a user or a scheduler ends a process, and gives it time to save what it has."""

_URGENT = ("SIGINT", "SIGQUIT")
_SAME_SECONDS = 0.1
"""Two signals within this time are one: a shell and a wrapper both hand on the same Ctrl-C."""


class Interruption(BaseException):
    """Raised by a handler of a signal: somebody outside wants this process to end."""


class Interrupted(Interruption, KeyboardInterrupt):
    """Raised at Ctrl-C by a handler of ours; an environment that raises KeyboardInterrupt raises something else."""


class Terminated(Interruption):
    """Raised at another signal that ends a process, SIGTERM say.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def is_interruption(error: BaseException) -> bool:
    """Return whether an exception comes from a signal, and not from the code that it passed through.

    A plain KeyboardInterrupt counts where Python's own handler is installed, which raises it.
    """
    if isinstance(error, Interruption):
        return True
    is_main = threading.current_thread() is threading.main_thread()
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return type(error) is KeyboardInterrupt and is_main and is_default


class _Ending:
    """The state of this process's shutdown, while signals raise exceptions.

    Args:
        at_once: what is done when Ctrl-C comes again.

    Attributes:
        is_urgent: whether it came again.
        raised: what the first signal raised.
    """

    is_urgent: bool
    raised: Interruption | None

    def __init__(self, at_once: Callable[[], None]) -> None:
        self._at_once, self._since = at_once, math.inf
        self.is_urgent, self.raised = False, None

    def arrived(self, number: int) -> None:
        """Take note of a signal, once for each time that it comes."""
        if self._since == math.inf:
            self._since = monotonic()
            return
        is_another = signal.Signals(number).name in _URGENT and monotonic() - self._since > _SAME_SECONDS
        if is_another and not self.is_urgent:
            self.is_urgent = True
            self._at_once()

    def handle(self, number: int, _: object) -> None:
        """Handle a signal: the first one raises, once the clean-up has begun none may disturb it."""
        if not _num_releasing:
            self.arrived(number)
        if self.raised is None:
            self.raised = Interrupted() if number == signal.SIGINT else Terminated(number)
            raise self.raised


_ending: _Ending | None = None
_holding: list[HeldInterrupts] = []
_num_releasing = 0
"""Above 0 while signals are handed on that were noted when they came."""


@contextmanager
def signals_raised(at_once: Callable[[], None], also: Collection[int] = ()) -> Iterator[None]:
    """Let the first signal that ends a process raise ``Interrupted`` or ``Terminated`` in the main thread.

    A signal that is ignored, SIGHUP under ``nohup`` say, is left alone, and so is one that somebody else handles.

    Args:
        at_once: called when a further Ctrl-C arrives while the process is about to end.
        also: signals that are raised although somebody else handles them.
    """
    global _ending
    _forget_handlers_in_forks()
    outer, _ending = _ending, _Ending(at_once)
    handlers = {number: signal.getsignal(number) for number in (*ENDING, getattr(signal, "SIGALRM", signal.SIGTERM))}
    ours = signal.SIG_DFL, signal.default_int_handler, outlive
    handlers = {number: x for number, x in handlers.items() if x in ours or number in also}
    for number in handlers:
        signal.signal(number, _ending.handle)
    try:
        yield
    finally:
        _ending = outer
        for number, handler in handlers.items():
            signal.signal(number, handler)


def outlive(number: int, _: object) -> None:
    """Handle a signal by doing nothing: of a process that only waits, and whose end would be taken for a failure."""


def outlive_signals() -> None:
    """Outlive signals whenever they are not raised, but for those that somebody else handles, or that are ignored."""
    for number in ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, outlive)


@functools.cache
def _forget_handlers_in_forks() -> None:
    """Let processes that an environment forks from this one end by signals as others do.

    A handler of Python's that they inherit would not be enough: a signal that comes just before a wait wakes nobody.
    One that comes before the handler is taken away waits until it is.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_forget_handlers)


_forking = threading.local()


def _block() -> None:
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _forget_handlers() -> None:
    for number in ENDING:
        handler = signal.getsignal(number)
        if str(getattr(handler, "__module__", "")).startswith("hsuanwu."):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _unblock()


def raise_again() -> None:
    """Raise what a signal has raised, if this process goes on in spite of it.

    Python runs handlers between any two steps of its own, a destructor's or a callback's too, and drops what they
    raise there.
    """
    if _ending is not None and _ending.raised is not None:
        raise _ending.raised


def is_urgent() -> bool:
    """Return whether Ctrl-C came again while this process is about to end: no time is left for politeness."""
    is_told = _ending is not None and _ending.is_urgent
    return is_told or any(held.has_arrived(signal.SIGINT) for held in _holding)


class HeldInterrupts:
    """Signals received while they are held back, and a way to let them through temporarily.

    Args:
        on_arrival: called with each of them, by its handler; False lets the signal through at once.
    """

    def __init__(self, on_arrival: Callable[[int], bool] | None = None) -> None:
        self._on_arrival = on_arrival
        self._arrived: list[int] = []
        self._handlers: dict[int, Any] = {}

    def hold(self) -> None:
        """Take note of signals from now on, and do nothing about them."""
        for number in ENDING:
            self._handlers[number] = signal.signal(number, self._note)
        _holding.append(self)

    def _note(self, number: int, frame: object) -> None:
        if self._handlers.get(number) is signal.SIG_IGN:
            return
        self._arrived.append(number)
        if _ending is not None and not _num_releasing:
            _ending.arrived(number)
        first = self._arrived[0]
        if self._on_arrival is not None and not self._on_arrival(number) and callable(self._handlers.get(first)):
            self._handlers[first](first, frame)

    def has_arrived(self, number: int) -> bool:
        """Return whether a signal that is not ignored has arrived."""
        return number in self._arrived

    def release(self) -> None:
        """Put the handlers back, and give them what has arrived."""
        if self in _holding:
            _holding.remove(self)
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            # None: it was not installed from Python, and cannot be put back from there
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        arrived, self._arrived = self._arrived, []
        for number in arrived:
            _hand_on(number)

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


def _hand_on(number: int) -> None:
    global _num_releasing
    _num_releasing += 1
    try:
        signal.raise_signal(number)
    finally:
        _num_releasing -= 1


@contextmanager
def interrupts_held(on_arrival: Callable[[int], bool] | None = None) -> Iterator[HeldInterrupts]:
    """Hold signals that end a process back; their handlers hear of them at the end.

    A mask of the system would keep them from one thread alone, and they would arrive by way of another one. Outside
    the main thread, which Python never interrupts, nothing is done.

    Args:
        on_arrival: called with each signal when it comes, by its handler; False lets the signal through at once.
    """
    held = HeldInterrupts(on_arrival)
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    held.hold()
    try:
        yield held
    finally:
        held.release()
