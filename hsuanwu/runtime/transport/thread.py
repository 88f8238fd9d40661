"""Actors as threads of the learner's process: slots in private memory, queues for who may touch them."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Sequence
from queue import Empty, SimpleQueue

import torch

from hsuanwu.common.registry import register
from hsuanwu.common.slot import Slot, SlotMemory
from hsuanwu.runtime.lending import Lending
from hsuanwu.runtime.transport.base import (
    DEFAULT_TIMEOUT,
    ActorEnd,
    ActorError,
    ActorProgram,
    LearnerEnd,
    StoppedError,
    Transport,
    checked_timeout,
    failure_of_actor,
    silence,
)
from hsuanwu.runtime.waiting import Patience, take
from hsuanwu.runtime.weights import WeightBoard, Weights

_JOIN_SECONDS = 10.0


@register("transport", "thread")
class ThreadTransport(Transport):
    """Runs each actor in a thread of the learner's process.

    For actors that spend their time outside Python: native vector environments, and inference on an
    accelerator that the learner uses too. Actors that hold the interpreter's lock keep the learner waiting;
    ``process`` serves those better. An actor sees that it shall end when it has filled its slot; one that
    hangs cannot be ended from outside, and is left behind as a daemon, which does not keep Python alive.

    Args:
        storage: the slots, in memory of any kind.
        board: where weights are put up.
        timeout_seconds: how long all actors together may be silent, start-up included.

    Raises:
        ConfigurationError: if ``timeout_seconds`` is not above 0.
    """

    shares_memory = False
    is_concurrent = True

    def __init__(self, storage: SlotMemory, board: WeightBoard, timeout_seconds: float = DEFAULT_TIMEOUT) -> None:
        self._storage, self._board, self._timeout_seconds = storage, board, checked_timeout(timeout_seconds)
        self._end: _ThreadLearnerEnd | None = None
        self._ends: list[_ThreadActorEnd] = []
        self._threads: list[threading.Thread] = []

    def launch(self, actor: ActorProgram, count: int) -> LearnerEnd:
        if self._end is not None:
            raise RuntimeError("a transport launches its actors once")
        atexit.register(self.close)
        arrivals: SimpleQueue[Slot | Exception] = SimpleQueue()
        self._ends = [_ThreadActorEnd(self._board, arrivals) for _ in range(count)]
        self._end = _ThreadLearnerEnd(self._storage, self._board, self._ends, arrivals, self._timeout_seconds)
        try:
            for index, end in enumerate(self._ends):
                arguments = (actor, index, end, arrivals)
                thread = threading.Thread(
                    target=_run_thread, args=arguments, name=f"hsuanwu-actor-{index}", daemon=True
                )
                thread.start()
                self._threads.append(thread)
        except BaseException:
            self.close()
            raise
        return self._end

    def close(self) -> None:
        atexit.unregister(self.close)
        if self._end is not None:
            self._end.stop()
        for end in self._ends:
            end.stop()
        patience = Patience(_JOIN_SECONDS)
        for thread in self._threads:
            patience.wait(thread.join, thread.is_alive)
        self._threads.clear()


class _ThreadActorEnd(ActorEnd):
    def __init__(self, board: WeightBoard, arrivals: SimpleQueue[Slot | Exception]) -> None:
        self.is_stopped = False
        self._board, self._arrivals = board, arrivals
        self._free: SimpleQueue[Slot | None] = SimpleQueue()

    def acquire(self) -> Slot | None:
        # no deadline is needed: whoever holds the transport closes it, or the interpreter does at its end
        return None if self.is_stopped else self._free.get()

    def commit(self, slot: Slot) -> None:
        self._arrivals.put(slot)

    def weights(self, newer_than: int) -> Weights | None:
        return self._board.read(newer_than)

    def release(self, slot: Slot) -> None:
        """Give a slot to the actor; called by the learner."""
        self._free.put(slot)

    def stop(self) -> None:
        """Let ``acquire`` return None from now on; called by the learner."""
        self.is_stopped = True
        self._free.put(None)


class _ThreadLearnerEnd(LearnerEnd):
    def __init__(
        self,
        storage: SlotMemory,
        board: WeightBoard,
        ends: Sequence[_ThreadActorEnd],
        arrivals: SimpleQueue[Slot | Exception],
        timeout_seconds: float,
    ) -> None:
        self._board, self._ends, self._arrivals = board, ends, arrivals
        self._timeout_seconds = timeout_seconds
        self._committed: deque[Slot] = deque()
        self._lending, self._batch = Lending([storage.slot(i) for i in range(storage.num_slots)]), 1
        self._is_stopped = False
        self._lend()

    def collect(self, count: int) -> list[Slot]:
        self._batch = count
        self._catch_up()
        while len(self._committed) < count and not self._is_stopped:
            self._lend()
            self._receive()
        if self._is_stopped:
            raise StoppedError
        slots = [self._committed.popleft() for _ in range(count)]
        self._lending.collected(slots)
        return slots

    def _receive(self) -> None:
        try:
            arrival = take(self._arrivals, self._timeout_seconds)
        except Empty:
            raise silence(self._timeout_seconds) from None
        if isinstance(arrival, Exception):
            self._arrivals.put(arrival)  # the next one who asks shall hear of it too
            raise arrival
        self._committed.append(arrival)

    def stop(self) -> None:
        self._is_stopped = True
        self._arrivals.put(StoppedError())

    def release(self, slots: Sequence[Slot]) -> None:
        self._lending.released(slots)
        self._catch_up()
        self._lend()

    def _catch_up(self) -> None:
        """Take in what actors have filled meanwhile, if how much that is decides what they are lent."""
        while self._lending.is_rich(self._batch) and not (self._is_stopped or self._arrivals.empty()):
            self._receive()

    def _lend(self) -> None:
        for slot in self._lending.lend(self._batch, len(self._committed)):
            slot.sequence += 1
            self._ends[slot.actor].release(slot)

    def publish(self, weights: Weights) -> None:
        self._board.publish(weights)


def _run_thread(actor: ActorProgram, index: int, end: _ThreadActorEnd, arrivals: SimpleQueue[Slot | Exception]) -> None:
    """Run one actor until it is stopped; a failure is handed to the learner.

    Everything of the actor happens in this thread, closing its environments included. torch uses one thread
    for each actor: its batches are small, and the other cores belong to the other threads.
    """
    torch.set_num_threads(1)
    try:
        for _ in actor.run(end, index):
            pass
        if not end.is_stopped:
            arrivals.put(ActorError(index, "it ended without being told to"))
    except BaseException as error:  # SystemExit too: a thread that ends with it ends silently
        arrivals.put(failure_of_actor(index, error))
