"""One spawned process for each actor, slots in shared memory, a pipe for the slots' numbers."""

from __future__ import annotations

import atexit
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

# its reducers let tensors in shared memory cross to a spawned process
import torch.multiprocessing

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import register
from hsuanwu.common.slot import Slot, SlotMemory
from hsuanwu.runtime.transport.actor_process import STOP, Failure, run_process
from hsuanwu.runtime.transport.base import ActorError, ActorProgram, LearnerEnd, Transport
from hsuanwu.runtime.weights import WeightBoard, Weights

_JOIN_SECONDS = 5.0


@register("transport", "process")
class ProcessTransport(Transport):
    """Runs each actor in a process of its own.

    Only the numbers of slots travel, through one pipe for each actor: no lock and no queue is shared, so
    an actor that dies takes nothing along. It notices the end of the learner's process by its pipe.

    Args:
        storage: the slots, in shared memory.
        board: where weights are put up, in shared memory.
        timeout_seconds: how long all actors together may be silent, start-up included.

    Raises:
        ConfigurationError: if ``timeout_seconds`` is not above 0.
    """

    shares_memory = True

    def __init__(self, storage: SlotMemory, board: WeightBoard, timeout_seconds: float = 300.0) -> None:
        if not timeout_seconds > 0:
            raise ConfigurationError(f"transport.timeout_seconds: found {timeout_seconds}; use a number above 0")
        self._storage, self._board, self._timeout_seconds = storage, board, timeout_seconds
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []

    def launch(self, actor: ActorProgram, count: int) -> LearnerEnd:
        if self._processes:
            raise RuntimeError("a transport launches its actors once")
        atexit.register(self.close)
        context = torch.multiprocessing.get_context("spawn")
        try:
            with _interrupts_blocked():
                for index in range(count):
                    ours, theirs = context.Pipe()
                    self._pipes.append(ours)
                    arguments = (actor, index, theirs, self._storage, self._board)
                    process = context.Process(target=run_process, args=arguments, name=f"hsuanwu-actor-{index}")
                    process.start()
                    self._processes.append(process)
                    theirs.close()
        except BaseException:
            self.close()
            raise
        return _ProcessLearnerEnd(self._storage, self._board, self._processes, self._pipes, self._timeout_seconds)

    def close(self) -> None:
        atexit.unregister(self.close)
        for pipe in self._pipes:
            _send(pipe, STOP)
        deadline = time.monotonic() + _JOIN_SECONDS
        for process in self._processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for stop in ("terminate", "kill"):
            for process in self._processes:
                if process.is_alive():
                    getattr(process, stop)()
                    process.join(1.0)
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()
            process.close()
        self._processes.clear()
        self._pipes.clear()


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
        self.release(self._slots)

    def collect(self, count: int) -> list[Slot]:
        while len(self._committed) < count:
            self._receive()
        return [self._committed.popleft() for _ in range(count)]

    def _receive(self) -> None:
        owners: dict[Any, int] = {pipe: i for i, pipe in enumerate(self._pipes)}
        ready = cast(list[Connection], wait(list(owners), self._timeout_seconds))
        if not ready:
            raise TimeoutError(
                f"the actors were silent for {self._timeout_seconds:g} s: a step of the environment hangs or is "
                f"very slow; raise transport.timeout_seconds, or lower rollout_length or envs_per_actor"
            )
        for pipe in ready:
            index = owners[pipe]
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                raise ActorError(index, _epitaph(self._processes[index])) from None
            if isinstance(message, Failure):
                raise ActorError(index, message.traceback)
            slot_index, sequence = message
            slot = self._slots[slot_index]
            if sequence == slot.sequence:
                self._committed.append(slot)

    def release(self, slots: Sequence[Slot]) -> None:
        for slot in slots:
            slot.sequence += 1
            _send(self._pipes[slot.actor], (slot.index, slot.sequence))

    def publish(self, weights: Weights) -> None:
        self._board.publish(weights)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: they inherit that, and the learner alone decides what it means."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # starting it would unblock the signal again
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(pipe: Connection, message: object) -> None:
    """Send to an actor; one that is gone is noticed by the next ``collect``."""
    with suppress(OSError):
        pipe.send(message)


def _epitaph(process: BaseProcess) -> str:
    process.join(1.0)
    code = process.exitcode
    if code is not None and code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process ended with exit status {code}"
