"""What runs in an actor's process."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
import torch

from hsuanwu.common.errors import EnvironmentFault, show_warnings
from hsuanwu.common.interrupts import ENDING
from hsuanwu.common.process_settings import exits_raised
from hsuanwu.common.slot import Slot, SlotMemory
from hsuanwu.runtime.fork_server import remove_traces
from hsuanwu.runtime.memory import keep_freed_memory
from hsuanwu.runtime.transport.base import ActorEnd, ActorError, ActorProgram, failure_of_actor
from hsuanwu.runtime.weights import WeightBoard, Weights

STOP = None
"""The message that ends an actor."""

_ORDERLY_SECONDS = 5.0
"""Seconds that an actor has to end by itself once the learner is gone."""

PIPE_CLOSED = 71
"""Exit status of an actor whose own end of the pipe was closed by somebody's code in its process."""


@dataclass(frozen=True)
class Failure:
    """The last message of an actor that failed."""

    error: EnvironmentFault | ActorError


@dataclass(frozen=True)
class Warned:
    """A warning that somebody's code in an actor's process gave."""

    text: str


class _LearnerGoneError(Exception):
    """The other end of the pipe is closed."""


class _PipeActorEnd(ActorEnd):
    """Slots come as numbers through a pipe; the learner's end of it closes when the learner is gone."""

    def __init__(self, pipe: Connection, storage: SlotMemory, board: WeightBoard) -> None:
        self._pipe, self._board = pipe, board
        self._slots = [storage.slot(i) for i in range(storage.num_slots)]
        self._free: deque[Slot] = deque()
        self._is_stopped = False

    def acquire(self) -> Slot | None:
        while not self._is_stopped and (not self._free or self._has_message()):
            message = self._receive()
            if message is STOP:
                self._is_stopped = True
            else:
                slot = self._slots[message[0]]
                slot.sequence = message[1]
                self._free.append(slot)
        return None if self._is_stopped else self._free.popleft()

    def commit(self, slot: Slot) -> None:
        try:
            self._pipe.send((slot.index, slot.sequence, slot.outcomes))
        except OSError as error:
            raise _LearnerGoneError from error

    def _has_message(self) -> bool:
        try:
            return self._pipe.poll()
        except OSError as error:
            raise _LearnerGoneError from error

    def _receive(self) -> Any:
        # no deadline is needed: the pipe closes when the learner's process ends, however it does
        try:
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise _LearnerGoneError from error

    def weights(self, newer_than: int) -> Weights | None:
        return self._board.read(newer_than)


class Surroundings:
    """What a process makes its own where this is unpickled, before it unpickles what comes after.

    The environment variables of the learner's process: a fork server may have been started before they were
    set. And a seed of its own for numpy's global generator, which forked processes would share.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _surround, (dict(os.environ),)


def _surround(variables: dict[str, str]) -> Surroundings:
    os.environ.clear()
    os.environ.update(variables)
    np.random.seed()
    return Surroundings()


def run_process(
    surroundings: Surroundings,
    actor: ActorProgram,
    index: int,
    pipe: Connection,
    storage: SlotMemory,
    board: WeightBoard,
    niceness: int = 0,
) -> None:
    """Run one actor until the learner stops it or is gone; a failure is sent to the learner.

    One thread for each actor: its batches are small, and the other cores belong to the other processes. With
    ``niceness`` above 0 the learner goes first where there are too few cores for all.
    """
    gc.freeze()  # what came with the fork is never garbage, and a look at it would copy it
    _ignore_signals()
    _outlive_nobody()
    _send_warnings(pipe)
    torch.set_num_threads(1)
    keep_freed_memory()
    if hasattr(os, "nice"):
        os.nice(niceness)
    try:
        with exits_raised():
            for _ in actor.run(_PipeActorEnd(pipe, storage, board), index):
                pass
    except _LearnerGoneError as error:
        if getattr(error.__cause__, "errno", None) == errno.EBADF:
            # nothing can be said any more, and what runs at an exit would fail over its own pipes
            os._exit(PIPE_CLOSED)
        remove_traces()
    except BaseException as error:  # SystemExit too: it would end the process with status 0
        _send(pipe, Failure(failure_of_actor(index, error)))
    finally:
        with suppress(OSError):
            pipe.close()


def _outlive_nobody() -> None:
    """Let this process end soon after the learner's, also where an environment hangs and would never hear of it."""
    learner = multiprocessing.parent_process()
    if learner is not None:
        threading.Thread(target=_end_after, args=(learner.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    if hasattr(signal, "pthread_sigmask"):  # signals are for the environment's thread
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    wait([sentinel])
    time.sleep(_ORDERLY_SECONDS)  # what does not hang closes its environments meanwhile
    os.kill(os.getpid(), signal.SIGKILL)


def _ignore_signals() -> None:
    """Leave it to the learner what a signal means that goes to all processes of a run; SIGTERM ends this one alone.

    Programs that an environment starts inherit what is ignored or blocked, but not what is handled: they hear all.
    """
    for number in ENDING:
        if number not in (signal.SIGTERM, getattr(signal, "SIGXCPU", None)):
            signal.signal(number, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def _send_warnings(pipe: Connection) -> None:
    """Let the learner show warnings about environments: there the same one of several actors is one."""
    show_warnings(lambda text: _send(pipe, Warned(text)))


def _send(pipe: Connection, message: Failure | Warned) -> None:
    with suppress(OSError):
        pipe.send(message)
