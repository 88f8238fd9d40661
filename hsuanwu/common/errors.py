"""The errors that end a run with one line: mistakes of the user's, and failures of an environment."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class ConfigurationError(ValueError):
    """A mistake in what the user asked for.

    The message is one line that names the key, says what was found and what would be right. The
    command line prints it as ``error: ...`` and exits with status 2.
    """


class EnvironmentFault(RuntimeError):  # noqa: N818 - the environment's, and not an error of ours
    """An environment failed: its code raised something, hung, or answered what its spaces do not allow.

    So did another module of the user's, if it cannot be imported because its own code fails.

    The first line of the message names the environment, where and when it was, and the problem; the traceback of the
    environment's own code follows, where there is one. The command line prints it as ``error: ...`` and exits with
    status 1.

    Args:
        problem: one line.
        trace: the traceback of the environment's code; empty where it raised nothing.
        name: the environment: an id, or the path of what builds it.
        index: its number among the environments of an actor; None where that is not known.
        moment: ``"episode 3, step 17"``, for example.
        place: who runs it: ``"actor 1"``, for example.
    """

    def __init__(
        self,
        problem: str,
        trace: str = "",
        *,
        name: str = "",
        index: int | None = None,
        moment: str = "",
        place: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem, self.trace, self.name = problem, trace, name
        self.index, self.moment, self.place = index, moment, place

    def __str__(self) -> str:
        name = f"env {self.name}" if self.name else ""
        index = "" if self.index is None else f"environment {self.index}"
        subject = ", ".join(part for part in (name, self.place, index, self.moment) if part)
        line = f"{subject}: {self.problem}" if subject else self.problem
        return f"{line}\n{self.trace.rstrip()}" if self.trace else line

    def __reduce__(self) -> tuple[Any, ...]:
        return _fault, (self.problem, self.trace, self.name, self.index, self.moment, self.place)


class EnvironmentWarning(UserWarning):
    """Something about an environment that does not end a run, but that its author should know."""


_show: Callable[[str], None] | None = None


def show_warnings(show: Callable[[str], None] | None) -> None:
    """Let ``show`` be called with each warning of ours, once for the same text; None for Python's own way.

    For processes of ours: an environment may have told Python to ignore all warnings, or to raise them.
    """
    global _show
    seen: set[str] = set()

    def show_once(text: str) -> None:
        if text not in seen and show is not None:
            seen.add(text)
            show(text)

    _show = None if show is None else show_once


def warn_of_environment(text: str) -> None:
    """Give an ``EnvironmentWarning``; all come from here, so that Python shows the same text once."""
    _warn(text, EnvironmentWarning)


class RunWarning(UserWarning):
    """Something about a run that does not end it, but that its user should know."""


def warn_of_run(text: str) -> None:
    """Give a ``RunWarning``."""
    _warn(text, RunWarning)


def _warn(text: str, category: type[Warning]) -> None:
    if _show is not None:
        _show(text)
    else:
        warnings.warn(text, category, stacklevel=1)


def _fault(problem: str, trace: str, name: str, index: int | None, moment: str, place: str) -> EnvironmentFault:
    return EnvironmentFault(problem, trace, name=name, index=index, moment=moment, place=place)


def one_line(error: BaseException) -> str:
    """Return the message of an error without line breaks; the name of its class where it has none."""
    try:
        return " ".join(str(error).split()) or type(error).__name__
    except Exception:  # a message that cannot be made must not hide what happened
        return type(error).__name__


@contextmanager
def file_named(path: Path) -> Iterator[None]:
    """Let an ``OSError`` that names no file, as those of open files do, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ``"did you mean 'x'? "`` for the closest of ``names``; an empty string if none is close.

    Example:
        >>> nearest("pnog", ["pong", "breakout"])
        "did you mean 'pong'? "
    """
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]!r}? " if close else ""
