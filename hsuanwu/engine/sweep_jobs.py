"""Jobs of a sweep that a launcher runs in processes of its own: a signal that ends the sweep reaches them, too."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util
from pathlib import Path
from typing import Any

from hsuanwu.common.interrupts import Interruption, Terminated
from hsuanwu.engine import abandonment
from hsuanwu.runtime import server_folder

try:
    import fcntl
except ImportError:  # not a POSIX system: the launcher ends its processes as it likes
    fcntl = None  # type: ignore[assignment]

SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""Signal sent to the jobs. Launchers handle SIGTERM and SIGUSR2 in their own ways, and no terminal sends this one."""
_STOPPED = "stopped"
_PATIENCE = 20.0
"""Seconds that the main process waits for jobs of this machine to appear before it leaves those of others behind."""


class SweepEndedError(Exception):
    """The sweep of this job was ended, by what the text says."""


class SweepJobs:
    """The jobs of one sweep, as its main process and as each job sees them.

    A launcher that is interrupted kills its processes at once, or leaves them behind. So the main process hands a
    signal on: each job saves and fails, those that have not begun never do, and the launcher sees the end of all.

    While a job runs it holds a lock on a file that is named by its process; no death leaves a lock behind. Jobs in
    children of the main process end when it is gone; others, submitit's for example, are made to survive it.
    """

    def __init__(self) -> None:
        self._process, self._machine = os.getpid(), _machine()
        self._folder: Path | None = None

    def __getstate__(self) -> dict[str, Any]:
        self._open()  # a launcher hands the jobs on
        return self.__dict__

    def _open(self) -> None:
        if self._folder is None and fcntl is not None:
            with suppress(OSError):  # without a folder, jobs hear of nothing
                folder = Path(util.get_temp_dir())  # removed with the process, or by a later start
                server_folder.mark(folder)
                self._folder = Path(tempfile.mkdtemp(prefix="jobs-", dir=folder))

    def stop(self, number: int) -> bool:
        """Tell all jobs to save and to end, now or as soon as they begin. May be called by the handler of a signal.

        Args:
            number: of the signal that ends the sweep.

        Returns:
            Whether the end of jobs is to be waited for. Those on other machines are not told.
        """
        if self._folder is None:
            return True
        is_first = True
        try:
            with (self._folder / _STOPPED).open("x") as file:
                file.write(signal.Signals(number).name)
        except FileExistsError:
            is_first = False
        except OSError:  # a full disk: those that run are told all the same
            pass
        told = [pid for pid in self._running() if _kill(pid)]
        if is_first and not told:
            threading.Thread(target=_stop_again, daemon=True).start()
        return is_first or bool(told)

    def _running(self) -> list[int]:
        assert self._folder is not None
        try:
            marks = [path for path in self._folder.iterdir() if path.name.isdecimal()]
        except OSError:
            return []
        return [int(path.name) for path in marks if _is_locked(path)]

    @contextmanager
    def job(self) -> Iterator[None]:
        """Be one of the jobs meanwhile.

        Raises:
            SweepEndedError: if the sweep has been ended, or is meanwhile.
        """
        if self._is_child():
            abandonment.watch(self._process, SIGNAL)
        with abandonment.running():
            try:
                with self._marked():
                    if self._ended_by():
                        raise Terminated(SIGNAL)
                    yield
            except Interruption as error:
                if cause := self._ended_by():
                    raise SweepEndedError(cause) from error
                raise

    def _is_child(self) -> bool:
        """Return whether this process was started by the main process, and is there for it alone."""
        parent = multiprocessing.parent_process()
        return self._is_near() and parent is not None and parent.pid == self._process

    def _is_near(self) -> bool:
        return self._machine == _machine()

    def _ended_by(self) -> str:
        if abandonment.is_abandoned():
            return "the end of its main process"
        try:
            return (self._folder / _STOPPED).read_text() or "a signal" if self._folder is not None else ""
        except OSError:
            return ""

    @contextmanager
    def _marked(self) -> Iterator[None]:
        """Let the main process see this job, where it is on the same machine and there."""
        path = self._folder / str(os.getpid()) if self._folder is not None and self._is_near() else None
        descriptor = None
        try:
            if path is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            if path is not None and descriptor is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                os.close(descriptor)


def _stop_again() -> None:
    threading.Event().wait(_PATIENCE)
    os.kill(os.getpid(), signal.SIGTERM)


def _machine() -> str:
    """Return what tells processes apart that share numbers of processes from those that do not."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, SIGNAL)
    except OSError:
        return False
    return True


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
