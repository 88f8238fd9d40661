"""The end of a process that works for another one which is gone: it saves what it has, and nobody waits for more."""

from __future__ import annotations

import multiprocessing
import os
import select
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import util

_FAILURE = 1
_abandoned = threading.Event()
_watched: set[int] = set()
_num_running = 0


def is_abandoned() -> bool:
    """Return whether the process that this one works for is gone."""
    return _abandoned.is_set()


def watch(process: int, number: int) -> None:
    """Send this process a signal when its parent is gone, or end it if nothing runs then.

    Args:
        process: the parent's number.
        number: of the signal; its handler makes what runs end.
    """
    if process in _watched:
        return
    _watched.add(process)
    # the folder that this process has by inheritance is the parent's, and may go with it
    multiprocessing.current_process()._config.pop("tempdir", None)  # type: ignore[attr-defined]
    if os.getppid() != process:
        _abandoned.set()
        return
    threading.Thread(target=_wait_for_end, args=(process, number), daemon=True).start()


def _wait_for_end(process: int, number: int) -> None:
    try:
        descriptor = os.pidfd_open(process)
    except (OSError, AttributeError):  # gone meanwhile, or a system without such descriptors
        if os.getppid() == process:
            return
    else:
        if os.getppid() == process:  # else the number may be another one's by now
            select.select([descriptor], [], [])
        os.close(descriptor)
    _abandoned.set()
    if _num_running:
        os.kill(os.getpid(), number)
    else:
        end_if_abandoned()


@contextmanager
def running() -> Iterator[None]:
    """Be at work meanwhile."""
    global _num_running
    _num_running += 1
    try:
        yield
    finally:
        _num_running -= 1


def end_if_abandoned() -> None:
    """End this process if that which it works for is gone."""
    if _abandoned.is_set():
        if multiprocessing.current_process()._config.get("tempdir"):  # type: ignore[attr-defined]
            shutil.rmtree(util.get_temp_dir(), ignore_errors=True)
        os._exit(_FAILURE)
