"""A file that a run appends to, whatever becomes of its disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hsuanwu.common.errors import warn_of_run

_MOST_BYTES = 1 << 26


class AppendFile:
    """Appends whole lines; those that cannot be written are kept, and tried again with the next ones.

    A run does not end for the sake of its log: what stands in the way is told once, and once more if lines are lost.
    A file that is removed meanwhile, with its folder, is made again for what follows.

    Args:
        path: where it lies; what is there already is continued.
        at_once: whether it is opened now, and an ``OSError`` raised if it cannot be; else by the first line.
    """

    def __init__(self, path: Path, at_once: bool = True) -> None:
        self._path, self._pending, self._is_told = path, b"", False
        self._descriptor: int | None = self._open() if at_once else None

    def write(self, text: str) -> None:
        """Append lines to what ``flush`` writes."""
        self._pending += text.encode("utf-8")

    def flush(self) -> None:
        """Give all lines to the system, so that a killed process loses none of them."""
        if not self._pending:
            return
        try:
            self._write()
        except OSError as error:
            self._close()
            if not self._is_told:
                self._is_told = True
                warn_of_run(f"{self._path}: cannot be written ({error.strerror}); its lines are kept, and tried again")
            if len(self._pending) > _MOST_BYTES:
                warn_of_run(f"{self._path}: cannot be written ({error.strerror}); lines are lost")
                self._pending = b""

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        self.flush()  # what stood in the way may be over
        if self._pending:
            count = self._pending.count(b"\n")
            warn_of_run(f"{self._path}: cannot be written; its last lines are lost ({count:,})")
        if problem := self._close():
            warn_of_run(f"{self._path}: cannot be closed ({problem}); its last lines may be lost")

    def _write(self) -> None:
        """Write what is pending: all of it, or nothing that would stay."""
        if self._descriptor is None or not os.fstat(self._descriptor).st_nlink:
            self._close()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._open()
        length = os.fstat(self._descriptor).st_size
        try:
            written = 0
            while written < len(self._pending):
                written += os.write(self._descriptor, self._pending[written:])
        except OSError:
            os.ftruncate(self._descriptor, length)
            raise
        self._pending = b""

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _close(self) -> str | None:
        """Close the file, and return what stood in the way.

        Raises:
            OSError: if code of an environment has closed it: who knows what has its number now.
        """
        descriptor, self._descriptor = self._descriptor, None
        try:
            if descriptor is not None:
                os.close(descriptor)
        except OSError as error:
            if error.errno == errno.EBADF:
                raise
            return error.strerror
        return None
