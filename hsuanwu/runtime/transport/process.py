"""One process for each actor, slots in shared memory, a pipe for the slots' numbers."""

from __future__ import annotations

import atexit
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

# its reducers let tensors in shared memory cross to another process
import torch.multiprocessing

from hsuanwu.common.errors import ConfigurationError, warn_of_environment
from hsuanwu.common.registry import register
from hsuanwu.common.slot import Slot, SlotMemory
from hsuanwu.runtime import fork_server
from hsuanwu.runtime.lending import Lending
from hsuanwu.runtime.transport.actor_process import PIPE_CLOSED, STOP, Failure, Surroundings, Warned, run_process
from hsuanwu.runtime.transport.base import (
    DEFAULT_TIMEOUT,
    ActorError,
    ActorProgram,
    LearnerEnd,
    StoppedError,
    Transport,
    checked_timeout,
    silence,
)
from hsuanwu.runtime.waiting import Patience, slices
from hsuanwu.runtime.weights import WeightBoard, Weights

_JOIN_SECONDS = 5.0
_TIMES_AT_AN_ORDERLY_END = 6
"""How much longer actors may take then: nobody waits to have the prompt back, and simulators are slow to close."""
_STOP_SECONDS = 1.0


@register("transport", "process")
class ProcessTransport(Transport):
    """Runs each actor in a process of its own.

    Only the numbers of slots, and outcomes of episodes, travel through one pipe for each actor: no lock and no queue is
    shared, so an actor that dies takes nothing along. It notices the end of the learner's process by its pipe.

    Args:
        storage: the slots, in shared memory.
        board: where weights are put up, in shared memory.
        timeout_seconds: how long all actors together may be silent, start-up included.
        niceness: how much lower the priority of actors is than the learner's, 0 to 19: where cores are short, fresh
            weights are worth more than more data with old ones. 0 where other programs want the same cores.

    Raises:
        ConfigurationError: if ``timeout_seconds`` is not above 0, or ``niceness`` out of range.
    """

    shares_memory = True
    is_concurrent = True

    def __init__(
        self, storage: SlotMemory, board: WeightBoard, timeout_seconds: float = DEFAULT_TIMEOUT, niceness: int = 10
    ) -> None:
        if not 0 <= niceness <= 19:
            raise ConfigurationError(f"transport.niceness: found {niceness}; use an integer from 0 to 19")
        self._niceness = niceness
        self._storage, self._board, self._timeout_seconds = storage, board, checked_timeout(timeout_seconds)
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        self._holds_server = False
        self._end: _ProcessLearnerEnd | None = None

    def launch(self, actor: ActorProgram, count: int) -> LearnerEnd:
        if self._processes:
            raise RuntimeError("a transport launches its actors once")
        atexit.register(self.close)
        self._holds_server = fork_server.hold()
        context: Any = torch.multiprocessing.get_context("forkserver" if self._holds_server else "spawn")
        try:
            with fork_server.interrupts_blocked(), fork_server.start_method_known():
                for index in range(count):
                    ours, theirs = context.Pipe()
                    self._pipes.append(ours)
                    arguments = (Surroundings(), actor, index, theirs, self._storage, self._board, self._niceness)
                    process = context.Process(target=run_process, args=arguments, name=f"hsuanwu-actor-{index}")
                    try:
                        process.start()
                    except (EOFError, ConnectionError) as error:
                        raise ActorError(index, "the server that starts actors was killed") from error
                    self._processes.append(process)
                    theirs.close()
        except BaseException:
            self.close()
            raise
        self._end = _ProcessLearnerEnd(self._storage, self._board, self._processes, self._pipes, self._timeout_seconds)
        return self._end

    def close(self) -> None:
        atexit.unregister(self.close)
        if self._end is not None:
            self._end.stop()
        for pipe in self._pipes:
            _send(pipe, STOP)
        is_orderly = sys.exc_info()[0] is None
        seconds = _JOIN_SECONDS * (_TIMES_AT_AN_ORDERLY_END if is_orderly else 1)
        hanging = self._end_processes(seconds)
        for pipe in self._pipes:
            _show_last_warnings(pipe)
            pipe.close()
        for process in self._processes:
            with suppress(ValueError):  # it is killed, but its server, which is not ours, has not said so
                process.close()
        self._processes.clear()
        self._pipes.clear()
        if self._holds_server:
            self._holds_server = False
            fork_server.release()
        for index in hanging if is_orderly else ():  # else there is something worse to be told
            warn_of_environment(f"actor {index} did not end within {seconds:g} s: step or close hangs")

    def _end_processes(self, seconds: float) -> list[int]:
        """Wait until all have ended; those that do not are told to, and then killed. Return which they were."""
        self._wait(Patience(seconds))
        hanging = [index for index, process in enumerate(self._processes) if process.is_alive()]
        for process in self._alive():
            process.terminate()
        self._wait(Patience(_STOP_SECONDS))
        for process in self._alive():
            process.kill()
        self._wait(Patience(_STOP_SECONDS, always=True))
        if self._alive():
            # a server that is stopped tells nobody that its processes have ended
            fork_server.kill()
            self._wait(Patience(_STOP_SECONDS, always=True))
        return hanging

    def _alive(self) -> list[BaseProcess]:
        return [process for process in self._processes if process.is_alive()]

    def _wait(self, patience: Patience) -> None:
        for process in self._processes:
            patience.wait(process.join, process.is_alive)


class _ProcessLearnerEnd(LearnerEnd):
    def __init__(
        self,
        storage: SlotMemory,
        board: WeightBoard,
        processes: list[BaseProcess],
        pipes: list[Connection],
        timeout_seconds: float,
    ) -> None:
        self._board, self._processes, self._pipes = board, processes, pipes
        self._timeout_seconds = timeout_seconds
        self._slots = [storage.slot(i) for i in range(storage.num_slots)]
        self._committed: deque[Slot] = deque()
        self._lending, self._batch = Lending(self._slots), 1
        self._is_stopped = False
        self._wakes, self._wake = Pipe(duplex=False)
        self._lend()

    def collect(self, count: int) -> list[Slot]:
        self._batch = count
        self._catch_up()
        while len(self._committed) < count and not self._is_stopped:
            self._lend()
            self._receive(self._timeout_seconds)
        if self._is_stopped:
            raise StoppedError
        slots = [self._committed.popleft() for _ in range(count)]
        self._lending.collected(slots)
        return slots

    def stop(self) -> None:
        if not self._is_stopped:
            self._is_stopped = True
            self._wake.send(STOP)  # never read, so that it wakes whoever waits from now on

    def _receive(self, seconds: float) -> None:
        owners: dict[Any, int] = {pipe: i for i, pipe in enumerate(self._pipes)}
        ready: list[Connection] = []
        for piece in slices(seconds):
            ready = cast(list[Connection], wait([*owners, self._wakes], piece))
            if ready:
                break
        if self._wakes in ready:
            return
        if not ready and seconds:
            raise silence(seconds)
        for pipe in ready:
            index = owners[pipe]
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                raise ActorError(index, _epitaph(self._processes[index])) from None
            if isinstance(message, Failure):
                raise message.error
            if isinstance(message, Warned):
                warn_of_environment(message.text)
                continue
            slot_index, sequence, outcomes = message
            slot = self._slots[slot_index]
            if sequence == slot.sequence:
                slot.outcomes = outcomes
                self._committed.append(slot)

    def release(self, slots: Sequence[Slot]) -> None:
        self._lending.released(slots)
        self._catch_up()
        self._lend()

    def _catch_up(self) -> None:
        """Take in what actors have filled meanwhile, if how much that is decides what they are lent."""
        before = -1
        while self._lending.is_rich(self._batch) and len(self._committed) > before:
            before = len(self._committed)
            self._receive(0.0)

    def _lend(self) -> None:
        for slot in self._lending.lend(self._batch, len(self._committed)):
            slot.sequence += 1
            _send(self._pipes[slot.actor], (slot.index, slot.sequence))

    def publish(self, weights: Weights) -> None:
        self._board.publish(weights)


def _send(pipe: Connection, message: object) -> None:
    """Send to an actor; one that is gone is noticed by the next ``collect``."""
    with suppress(OSError):
        pipe.send(message)


def _show_last_warnings(pipe: Connection) -> None:
    """Show what an actor that has ended said after its last slot."""
    with suppress(EOFError, OSError):
        while pipe.poll():
            message = pipe.recv()
            if isinstance(message, Warned):
                warn_of_environment(message.text)


def _epitaph(process: BaseProcess) -> str:
    process.join(1.0)
    code = process.exitcode
    if code == PIPE_CLOSED:
        return "its pipe to the learner was closed: its environment closes file descriptors that it did not open"
    if code is not None and code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process ended with exit status {code}"
