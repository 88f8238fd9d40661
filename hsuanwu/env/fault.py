"""Failures of environments: from whatever leaves their code to an ``EnvironmentFault``."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

import gymnasium
import numpy as np

from hsuanwu.common.deadline import Expired
from hsuanwu.common.errors import ConfigurationError, EnvironmentFault, one_line, warn_of_environment
from hsuanwu.common.interrupts import is_interruption

_OURS = (str(Path(__file__).resolve().parent.parent), str(Path(gymnasium.__file__).resolve().parent))
_PYTHON = (sysconfig.get_path("stdlib"), "<frozen ")
_PACKAGES = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


class WrongAnswer(Exception):  # noqa: N818 - never leaves this room
    """Something that an environment answered is not what it may answer.

    Args:
        problem: one line.
        row: which environment of a vector it was, where that is known from the answer.
    """

    def __init__(self, problem: str, row: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.row = problem, row


def fault_of(error: BaseException, doing: str, name: str = "") -> EnvironmentFault:
    """Return the fault that an exception is which left an environment's code.

    Args:
        error: whatever it was: exits and interrupts that the environment raised itself, too.
        doing: what was called, ``"step"`` for example.
        name: of the environment.
    """
    if isinstance(error, EnvironmentFault):
        return error
    if isinstance(error, WrongAnswer):
        return EnvironmentFault(error.problem, name=name, index=error.row)
    if isinstance(error, Expired):
        return EnvironmentFault(
            f"{doing} did not answer within {error.seconds:g} s; {error.hint}", trace_of(error), name=name
        )
    kind, text = type(error).__name__, one_line(error)
    raised = kind if text == kind else f"{kind}: {text}"  # SystemExit, for example, often says nothing
    return EnvironmentFault(f"{doing} raised {raised}", trace_of(error), name=name)


def shown(value: Any) -> str:
    """Return a value's type and what it looks like, in a few words.

    Example:
        >>> shown("north"), shown(None)
        ("str 'north'", 'None')
    """
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # somebody's own class
        text = ""
    return f"{type(value).__name__} {text if len(text) <= 60 else f'{text[:57]}...'}".rstrip()


class blamed:  # noqa: N801 - reads as a function; a generator would swallow a StopIteration
    """Turns whatever leaves the environment's code within into an ``EnvironmentFault``; a context manager.

    A real Ctrl-C or SIGTERM passes, and so does a ConfigurationError of our own code.

    Args:
        doing: what is called, ``"reset"`` for example.
        name: of the environment.
    """

    def __init__(self, doing: str, name: str = "") -> None:
        self._doing, self._name = doing, name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or is_interruption(error):
            return
        if not (isinstance(error, ConfigurationError) and _raised_by_us(error)):
            raise fault_of(error, self._doing, self._name) from error


def close_quietly(env: object, name: str) -> None:
    """Close an environment; what it raises then is a warning, for the work is done."""
    try:
        with blamed("close", name):
            env.close()  # type: ignore[attr-defined]
    except EnvironmentFault as fault:
        warn_of_environment(str(fault).splitlines()[0])


def trace_of(error: BaseException) -> str:
    """Return the traceback of an exception without the frames that lead from us into the environment's code."""
    try:
        found = traceback.TracebackException.from_exception(error, compact=True)
    except Exception:  # an exception whose own message fails
        return ""
    frames = list(found.stack)
    if isinstance(error, Expired):  # where it was waited, and not how the waiting ended
        return "Traceback (most recent call last):\n" + "".join(traceback.format_list(_foreign(frames[:-1])))
    found.stack = traceback.StackSummary.from_list(_foreign(frames))
    # how it is explained by us is not the environment's
    found.__context__ = None if found.__suppress_context__ else found.__context__
    return "".join(found.format())


def _foreign(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Return the frames from the first one on that is not ours or gymnasium's; the last one if all are."""
    first = next((i for i, frame in enumerate(frames) if not frame.filename.startswith(_OURS)), len(frames) - 1)
    return frames[max(0, first) :]


def _raised_by_us(error: BaseException) -> bool:
    """Return whether code of ours, or of gymnasium's, raised an error, and not code of the user's that it called."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(_OURS)


def is_refused_call(error: BaseException) -> bool:
    """Return whether a call failed before any code of the user's was reached: of wrong arguments, or a wrong name."""
    frames = traceback.extract_tb(error.__traceback__)
    return not any(_is_users(frame.filename) for frame in frames)


def origin_of(error: BaseException) -> BaseException:
    """Return the exception that gymnasium has raised once more with another text; else the one that is given."""
    cause = error.__cause__
    return cause if cause is not None and type(cause) is type(error) and str(error).startswith(str(cause)) else error


def _is_users(filename: str) -> bool:
    is_pythons = filename.startswith(_PYTHON) and not filename.startswith(_PACKAGES)
    return not (filename.startswith(_OURS) or is_pythons)
