"""Actors inside ``collect``: one process, one thread, the same order every time."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterator, Sequence

from hsuanwu.common.registry import register
from hsuanwu.common.slot import Slot, SlotMemory
from hsuanwu.runtime.transport.base import (
    ActorEnd,
    ActorError,
    ActorProgram,
    LearnerEnd,
    StoppedError,
    Transport,
)
from hsuanwu.runtime.weights import WeightBoard, Weights


@register("transport", "local")
class LocalTransport(Transport):
    """Runs the actors in turn, inside ``collect``: for tests, debuggers and small machines.

    Args:
        storage: the slots.
        board: where weights are put up.
    """

    shares_memory = False
    is_concurrent = False

    def __init__(self, storage: SlotMemory, board: WeightBoard) -> None:
        self._storage, self._board = storage, board
        self._end: _LocalLearnerEnd | None = None

    def launch(self, actor: ActorProgram, count: int) -> LearnerEnd:
        if self._end is not None:
            raise RuntimeError("a transport launches its actors once")
        self._end = _LocalLearnerEnd(self._storage, self._board, actor, count)
        return self._end

    def close(self) -> None:
        if self._end is not None:
            self._end.stop()
            self._end.close()


class _LocalActorEnd(ActorEnd):
    def __init__(self, board: WeightBoard, committed: deque[Slot]) -> None:
        self.free: deque[Slot] = deque()
        self._board, self._committed = board, committed

    def acquire(self) -> Slot | None:
        return self.free.popleft() if self.free else None

    def commit(self, slot: Slot) -> None:
        self._committed.append(slot)

    def weights(self, newer_than: int) -> Weights | None:
        return self._board.read(newer_than)


class _LocalLearnerEnd(LearnerEnd):
    def __init__(self, storage: SlotMemory, board: WeightBoard, actor: ActorProgram, count: int) -> None:
        self._board = board
        self._committed: deque[Slot] = deque()
        self._ends = [_LocalActorEnd(board, self._committed) for _ in range(count)]
        self._actors: list[Iterator[None]] = [iter(actor.run(end, i)) for i, end in enumerate(self._ends)]
        self._next = 0
        self._is_stopped = False
        self.release([storage.slot(i) for i in range(storage.num_slots)])

    def collect(self, count: int) -> list[Slot]:
        while len(self._committed) < count and not self._is_stopped:
            self._step_one()
        if self._is_stopped:
            raise StoppedError
        return [self._committed.popleft() for _ in range(count)]

    def stop(self) -> None:
        # the actor that is acting finishes its slot first
        self._is_stopped = True

    def _step_one(self) -> None:
        for _ in self._actors:
            index, self._next = self._next, (self._next + 1) % len(self._actors)
            if self._ends[index].free:
                try:
                    next(self._actors[index])
                except StopIteration:
                    raise ActorError(index, "it ended without being told to") from None
                except Exception as error:
                    raise ActorError(index, traceback.format_exc()) from error
                return
        raise TimeoutError("collect: every slot is taken; release slots before collecting more")

    def release(self, slots: Sequence[Slot]) -> None:
        for slot in slots:
            slot.sequence += 1
            self._ends[slot.actor].free.append(slot)

    def publish(self, weights: Weights) -> None:
        self._board.publish(weights)

    def close(self) -> None:
        for actor in self._actors:
            actor.close()  # type: ignore[attr-defined]
        self._actors.clear()
