"""Jobs of a sweep that a launcher runs in processes of its own: a signal that ends the sweep reaches them, too."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import util
from pathlib import Path

from hsuanwu.common.interrupts import Interruption, Terminated
from hsuanwu.runtime import server_folder

try:
    import fcntl
except ImportError:  # not a POSIX system: the launcher ends its processes as it likes
    fcntl = None  # type: ignore[assignment]

_SIGNAL = getattr(signal, "SIGUSR1", signal.SIGTERM)
"""What the jobs are sent. Launchers handle SIGTERM and SIGUSR2 in ways of their own, and no terminal sends this one."""
_STOPPED, _FAILED, _MAIN = "stopped", "failed", "main"


class SweepEndedError(Exception):
    """The sweep of this job was ended by a signal, which is what the text is."""


class SweepJobs:
    """The jobs of one sweep, as its main process and as each job sees them.

    A launcher that is interrupted kills its processes at once, or leaves them behind. So the main process hands a
    signal on: each job saves and fails, those that have not begun never do, and the launcher sees the end of all.

    Each job holds a lock on a file that is named by its process, and so does the main process: no death leaves a lock
    behind. Jobs in children of the main process end when it is gone; others, submitit's for example, are to survive it.
    """

    def __init__(self) -> None:
        folder = Path(util.get_temp_dir())  # removed with the process, or by a later start
        if fcntl is not None:
            server_folder.mark(folder)
        self._folder = folder / "jobs"
        self._folder.mkdir(exist_ok=True)
        self._process = os.getpid()
        _lock(os.open(self._folder / _MAIN, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # until this process ends

    def stop(self, number: int) -> None:
        """Tell all jobs to save and to end, now or as soon as they begin. May be called by the handler of a signal.

        Args:
            number: of the signal that ends the sweep.
        """
        with suppress(OSError):
            (self._folder / _STOPPED).write_text(signal.Signals(number).name)
            for path in self._folder.iterdir():
                if path.name.isdecimal() and _is_locked(path):
                    os.kill(int(path.name), _SIGNAL)

    def note_failure(self, status: int) -> None:
        """Take note of a job that failed with an exit status."""
        with suppress(OSError):
            (self._folder / _FAILED).write_text(str(status))

    def status(self) -> int:
        """Return the exit status of a job that failed, 0 where none did."""
        try:
            return int((self._folder / _FAILED).read_text())
        except (OSError, ValueError):
            return 0

    @contextmanager
    def job(self) -> Iterator[None]:
        """Be one of the jobs meanwhile, where the main process is on the same machine.

        Raises:
            SweepEndedError: if the sweep has been ended, or is meanwhile.
        """
        path = self._folder / str(os.getpid())
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:  # another machine, or the main process is gone
            yield
            return
        try:
            _lock(descriptor)
            if os.getppid() == self._process:
                _end_with_main(self._folder)
            if (self._folder / _STOPPED).exists():
                raise Terminated(_SIGNAL)
            yield
        except Interruption as error:
            if (self._folder / _STOPPED).exists():
                raise SweepEndedError((self._folder / _STOPPED).read_text()) from error
            raise
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def end_if_abandoned(self, status: int) -> None:
        """End this process if it was there for the main process alone, which is gone: nobody waits for its answer."""
        if self._folder in _watched and os.getppid() != self._process:
            os._exit(status)


_watched: set[Path] = set()


def _end_with_main(folder: Path) -> None:
    """Let this process end its job when the main process of the sweep is gone."""
    if folder not in _watched:
        _watched.add(folder)
        threading.Thread(target=_wait_for_main, args=(folder,), daemon=True).start()


def _wait_for_main(folder: Path) -> None:
    if fcntl is not None:
        with suppress(OSError), (folder / _MAIN).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            (folder / _STOPPED).write_text("the end of its main process")
            os.kill(os.getpid(), _SIGNAL)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_locked(path: Path) -> bool:
    if fcntl is None:
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
