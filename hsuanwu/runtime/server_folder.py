"""The folder of the fork server's socket: whose it is, so that the next start may remove what a killed run has left."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_MARK = "hsuanwu.lock"
_held: list[int] = []


def mark(folder: Path) -> None:
    """Mark a folder as ours for as long as this process lives: it holds a lock, which no death leaves behind."""
    import fcntl  # not everywhere, and neither is a fork server

    if (folder / _MARK).exists():
        return
    with suppress(OSError):
        descriptor = os.open(folder / f".{_MARK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(folder / f".{_MARK}", folder / _MARK)  # it is there only when it is locked
        _held.append(descriptor)


def sweep() -> None:
    """Remove marked folders whose processes are gone."""
    import fcntl

    for path in Path(tempfile.gettempdir()).glob(f"pymp-*/{_MARK}"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent, ignore_errors=True)
            finally:
                os.close(descriptor)
