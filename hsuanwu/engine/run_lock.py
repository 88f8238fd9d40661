"""One run at a time holds a run folder."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO

from hsuanwu.common.errors import ConfigurationError

try:
    import fcntl
except ImportError:  # a system without POSIX locks: nobody is kept out
    fcntl = None  # type: ignore[assignment]

_held: set[Path] = set()
"""Lock files held by this process; a POSIX lock only keeps out other processes."""


class RunLock:
    """Holds a run folder from its construction until ``release``, or the end of the process, however that comes.

    A lock of the system belongs to one process: actors do not inherit it, and what a killed run leaves behind
    blocks nobody.

    Args:
        path: the file that is locked; it tells who holds the folder.

    Raises:
        ConfigurationError: if another run holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._file: IO[str] | None = None
        if self._path in _held:
            raise _in_use(path, "this process")
        if fcntl is None:
            return
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(file)
            file.close()
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise _in_use(path, holder) from error
            return  # a file system without locks
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self._file = file
        _held.add(self._path)

    def release(self) -> None:
        """Let others have the folder."""
        file, self._file = self._file, None
        if file is not None:
            _held.discard(self._path)
            with suppress(OSError):  # the lock is gone with the descriptor, also where closing it fails
                file.close()

    def __del__(self) -> None:
        self.release()


def check_not_in_use(path: Path) -> None:
    """Check that no run holds a folder; ``path`` as in ``RunLock``. Nothing is written.

    Raises:
        ConfigurationError: if one does.
    """
    if path.resolve() in _held:
        raise _in_use(path, "this process")
    if fcntl is None or not path.is_file():
        return
    with path.open("r+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise _in_use(path, _holder(file)) from error


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read(200).strip() or "another process"


def _in_use(path: Path, holder: str) -> ConfigurationError:
    return ConfigurationError(
        f"run_dir: {path.parent} is in use by another run ({holder}); wait for its end, or choose another folder"
    )
