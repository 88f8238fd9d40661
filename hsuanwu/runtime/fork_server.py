"""The process that actors are forked from: it has imported what they need before the first of them starts.

It is Python's own fork server, started early and stopped in time. This file imports nothing that takes long:
a command starts the server before it imports anything else, and both import at once.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from typing import Any

from hsuanwu.common.interrupts import ENDING
from hsuanwu.runtime import server_folder

_NEEDED_BY_ACTORS = [
    "hsuanwu.runtime.actor",
    "hsuanwu.runtime.transport.actor_process",
    "hsuanwu.env",
    "hsuanwu.xploit.encoder",
    "hsuanwu.xploit.storage",
    "hsuanwu.xplore.distribution",
]
# elsewhere libraries do not survive a fork; before, Python put the current folder first in the server's path
_CAN_FORK = sys.platform == "linux" and sys.version_info >= (3, 11)
_SERVER: Any = forkserver._forkserver

_num_holders = 0
_our_pid: int | None = None


def hold() -> bool:
    """Start the server unless it runs, keep it until ``release``, and return True; False where there can be none.

    A server that is there already, because the program uses Python's for something else, serves as well.
    """
    global _num_holders, _our_pid
    if not _CAN_FORK:
        return False
    if _SERVER._forkserver_pid is None:
        try:
            _start()
        except OSError:  # the system's folder for temporary files is full, or its path too long for a socket
            return False
        except BaseException:  # Ctrl-C, held back until now
            _stop()
            raise
        _our_pid = _SERVER._forkserver_pid
    _num_holders += 1
    return True


def release() -> None:
    """Stop the server when nobody holds it any more, unless others use it; does not wait for its imports."""
    global _num_holders, _our_pid
    _num_holders -= 1
    in_use = any(child._start_method == "forkserver" for child in multiprocessing.active_children())  # type: ignore[attr-defined]
    if _our_pid == _SERVER._forkserver_pid and not _num_holders and not in_use:
        _stop()
        _our_pid = None


def _start() -> None:
    preload = _SERVER._preload_modules
    multiprocessing.set_forkserver_preload(_NEEDED_BY_ACTORS)
    try:
        with interrupts_blocked(), _variables_of_server():
            server_folder.sweep()
            server_folder.mark(Path(util.get_temp_dir()))
            forkserver.ensure_running()
    finally:
        multiprocessing.set_forkserver_preload(preload)


def _stop() -> None:
    if _SERVER._forkserver_pid is not None:
        os.kill(_SERVER._forkserver_pid, signal.SIGKILL)
        _SERVER._stop()


def kill() -> None:
    """Kill the server if it is ours, whoever holds it; it may be stopped, and answer nobody."""
    global _our_pid
    if _our_pid is not None and _our_pid == _SERVER._forkserver_pid:
        _stop()
        _our_pid = None


def end_processes() -> None:
    """Kill all processes that this one has started by way of multiprocessing, and the server; nobody waits."""
    for child in multiprocessing.active_children():
        with suppress(OSError):
            child.kill()
    if _our_pid is not None and _our_pid == _SERVER._forkserver_pid:
        with suppress(OSError):
            os.kill(_our_pid, signal.SIGKILL)
        shutil.rmtree(util.get_temp_dir(), ignore_errors=True)


def remove_traces() -> None:
    """Remove what a learner that was killed leaves: the folder of the server's socket. For its actors to call."""
    parent = multiprocessing.parent_process()
    if not _CAN_FORK or parent is None:
        return
    parent.join(1.0)  # its pipes close one after the other
    if not parent.is_alive():
        shutil.rmtree(util.get_temp_dir(), ignore_errors=True)


@contextmanager
def start_method_known() -> Iterator[None]:
    """Let processes that start meanwhile know their parent's start method: they set it for processes of their own.

    In a worker process of another library, joblib for example, it may be one that Python alone does not have.
    """
    name = multiprocessing.get_start_method(allow_none=True)
    if name in (None, "fork", "spawn", "forkserver"):
        yield
        return
    multiprocessing.set_start_method("forkserver" if _CAN_FORK else "spawn", force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(name, force=True)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Hold signals back while processes start: they inherit that, and the learner alone decides what they mean."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # starting it would unblock the signal again
    with _variables(PYTHONSAFEPATH="1"):
        resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set(ENDING) - {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _variables_of_server() -> Iterator[None]:
    """Set the environment variables that a server which starts now inherits; its actors get those of the learner.

    It imports from where this process does, not from the current folder, and has no threads but its first: numpy
    would start a pool of them, which is missing after a fork.
    """
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    with _variables(OPENBLAS_NUM_THREADS="1", PYTHONPATH=path, PYTHONSAFEPATH="1"):
        yield


@contextmanager
def _variables(**variables: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {key: os.environ.get(key) for key in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
