"""Standard output and standard error of a command: there, open, and no reason for a run to end."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_NAMES = {"stdout": "standard output", "stderr": "standard error"}
_errors: dict[str, OSError] = {}
"""The first error of each stream."""


def fill_streams() -> None:
    """Give this process the three streams that it was started without: a file of the run would get their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    for name in _NAMES:
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as the process


@contextmanager
def streams_kept() -> Iterator[None]:
    """Keep standard output and error, as they are now, from being closed or exchanged by code of an environment.

    Where they cannot be written, for the disk is full or the terminal is gone, what is written goes on without them:
    ``flush_streams`` says so. A pipe whose reader has gone raises ``BrokenPipeError``, as ever.
    """
    streams = sys.stdout, sys.stderr
    with _kept("stdout"), _kept("stderr"):
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams


def flush_streams() -> None:
    """Write what is left.

    Raises:
        OSError: if one of the streams could not be written, now or before; it names the stream.
    """
    failures = [error for name in _NAMES if (error := _flush(name))]
    if failures:
        raise failures[0]


def _flush(name: str) -> OSError | None:
    stream: TextIO = getattr(sys, name)
    try:
        type(stream).flush(stream)
        if name in _errors:
            raise _errors.pop(name)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        with suppress(OSError, ValueError):  # Python would try again as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return OSError(error.errno, error.strerror, _NAMES[name])
    return None


@contextmanager
def _kept(name: str) -> Iterator[None]:
    stream = getattr(sys, name)
    attributes = getattr(stream, "__dict__", {})  # without, it is none of Python's own
    before = dict(attributes)
    attributes.update({x: _tolerant(name, getattr(stream, x)) for x in ("write", "flush")})
    attributes["close"] = attributes["flush"]
    try:
        yield
    finally:
        for x in ("write", "flush", "close"):
            attributes.pop(x, None)
        attributes.update(before)


def _tolerant(name: str, write: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a stream that fails in silence."""

    def write_or_go_on(*text: str) -> Any:
        try:
            return write(*text)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            _errors.setdefault(name, error)
            return sum(map(len, text))

    return write_or_go_on
