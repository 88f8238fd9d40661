"""Running a command: signal handling, standard streams, one-line errors and exit statuses."""

from __future__ import annotations

import errno
import faulthandler
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault, show_warnings
from hsuanwu.common.interrupts import Terminated, signals_raised
from hsuanwu.common.streams import fill_streams, flush_streams, streams_kept
from hsuanwu.runtime import fork_server

USAGE, FAILURE, SIGNAL = 2, 1, 128
"""Exit statuses: a mistake in what was asked for, a run that failed, and what a signal's number is added to."""

_STANDARD_ERROR = 2
_LEAST_SECONDS = 1.5
"""Seconds that an orderly shutdown may still take after a second Ctrl-C."""
_THREAD_SECONDS = 3.0
"""Seconds that threads may go on when everything else is over."""
_leave = os._exit
_accepted: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


class JobFailedError(BaseException):
    """A job raised the exception that is the cause of this one."""


class SweptJobError(RuntimeError):
    """A job of a sweep failed, and was told where it ran.

    Args:
        name: of the job.
        line: what went wrong.
        status: the exit status that a run of its own would have had.
        process: where it ran.
    """

    def __init__(self, name: str, line: str, status: int, process: int | None = None) -> None:
        self.name, self.line, self.status, self.process = name, line, status, process or os.getpid()
        super().__init__(name, line, status, self.process)
        swept_failures.append(status)  # also where it arrives from another process

    def __str__(self) -> str:
        is_told = self.process == os.getpid()
        return f"{self.name} failed, as told above" if is_told else f"{self.name} failed: {self.line}"


swept_failures: list[int] = []
"""Exit statuses of the jobs that failed: a sweeper may count failures, and go on."""


def run_command(command: Callable[[], Any], how_to_go_on: str = "", paths: Sequence[str | Path] = ()) -> None:
    """Run a command; an error that the user can fix is printed as one line on standard error, with exit status 2.

    Args:
        command: what is run.
        how_to_go_on: what an interrupted one adds to its line.
        paths: those that it reads or writes. If all are absolute, it runs although the current folder is gone.
    """
    accept_threads()
    status: Any = 0
    try:
        with command_settings():
            _run_or_exit(command, how_to_go_on, paths)
    except SystemExit as error:
        status = error.code
        raise
    finally:
        if sys.exc_info()[0] in (None, SystemExit):
            _leave_threads_behind(status)


@contextmanager
def command_settings(also: Collection[int] = ()) -> Iterator[None]:
    """Let signals raise, warnings be lines, and the streams be there and stay open, in a process of a command's.

    Args:
        also: signals that are raised although somebody else handles them.
    """
    fill_streams()
    if not faulthandler.is_enabled():  # where an environment's code crashes, Python says at least which line called it
        faulthandler.enable(_STANDARD_ERROR)
    show_warnings(_show_warning)
    try:
        with streams_kept(), signals_raised(at_once=end_soon, also=also):
            yield
    finally:
        show_warnings(None)


def _run_or_exit(command: Callable[[], Any], how_to_go_on: str, paths: Sequence[str | Path]) -> None:
    try:
        try:
            _check_folder(paths)  # before torch is imported, which ends the process without one
            command()
            flush_streams()
        except JobFailedError as failure:
            raise failure.__cause__ or failure from None
    except BrokenPipeError:  # whoever read our output has gone, `| head` say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILURE)
    except KeyboardInterrupt:
        _exit(f"interrupted{how_to_go_on}", SIGNAL + signal.SIGINT)
    except Terminated as signalled:
        _exit(f"terminated by {signalled}{how_to_go_on}", SIGNAL + signalled.number)
    except Exception as error:
        verdict = verdict_of(error)
        if verdict is None:
            raise
        _exit(*verdict)


def _check_folder(paths: Sequence[str | Path]) -> None:
    """Check that the current folder is there, or is not needed: then the root takes its place."""
    try:
        os.getcwd()
    except OSError as error:
        relative = [str(path) for path in paths if not os.path.isabs(path)]
        if relative:
            raise ConfigurationError(
                f"the current folder is gone, and {relative[0]} is to be in it; change to another one, or write it "
                "from the root"
            ) from error
        os.chdir("/")
        sys.path[:] = filter(None, sys.path)  # no modules are looked for in the root


def verdict_of(error: Exception) -> tuple[str, int] | None:
    """Return the error line and the exit status of an expected error; None for an internal error."""
    if isinstance(error, SweptJobError):
        return str(error), error.status
    if isinstance(error, ConfigurationError):
        return str(error), USAGE
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        return "a file of the run was closed: code of an environment closes files that it did not open", FAILURE
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", FAILURE
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from hsuanwu.engine.hydra_errors import NULL_GROUP, explain
    from hsuanwu.runtime.transport import ActorError

    if isinstance(error, (HydraException, OmegaConfBaseException)) or str(error).startswith(NULL_GROUP):
        return explain(error), USAGE
    failures = (ActorError, EnvironmentFault, FloatingPointError, TimeoutError)
    return (str(error), FAILURE) if isinstance(error, failures) else None


def end_soon() -> None:
    """End this process and all that it started in a moment, whatever it waits for; it is likely to do so itself."""
    threading.Thread(target=_end_now, args=(_LEAST_SECONDS,), daemon=True).start()


def _end_now(seconds: float) -> None:
    time.sleep(seconds)
    os.write(2, b"error: interrupted again; ended at once\n")
    fork_server.end_processes()
    _leave(SIGNAL + signal.SIGINT)


def _show_warning(text: str) -> None:
    """Show what the user, or an environment's author, should know as one line."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def accept_threads() -> None:
    """Take the threads that are there for threads that end with the process: no environment has started them."""
    _accepted.update(threading.enumerate())


def _leave_threads_behind(status: Any) -> None:
    """Let Python end the process, but not wait for ever for threads of an environment that go on.

    Those of its executors are told to end by Python itself, and do.
    """

    def going_on() -> str:
        return ", ".join(sorted(x.name for x in set(threading.enumerate()) - set(_accepted) if not x.daemon))

    def leave() -> None:
        time.sleep(_THREAD_SECONDS)
        if names := going_on():
            _show_warning(f"a thread that an environment has started still runs, and is left behind: {names}")
            sys.stdout.flush()
            _leave(status if isinstance(status, int) else FAILURE)

    if going_on():
        threading.Thread(target=leave, daemon=True).start()


def _exit(message: str, status: int) -> None:
    sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(status)
