"""Actors inside ``collect``: one process, one thread, the same order every time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from hsuanwu.common.deadline import Expired, deadline
from hsuanwu.common.errors import EnvironmentFault, warn_of_environment
from hsuanwu.common.process_settings import ProcessSettings
from hsuanwu.common.registry import register
from hsuanwu.common.slot import Slot, SlotMemory
from hsuanwu.runtime.lending import Custody
from hsuanwu.runtime.transport.base import (
    DEFAULT_TIMEOUT,
    SILENCE_HINT,
    ActorEnd,
    ActorError,
    ActorProgram,
    LearnerEnd,
    StoppedError,
    Transport,
    checked_timeout,
    failure_of_actor,
)
from hsuanwu.runtime.weights import WeightBoard, Weights

_CLOSE_SECONDS = 10.0


@register("transport", "local")
class LocalTransport(Transport):
    """Runs the actors in turn, inside ``collect``: for tests, debuggers and small machines.

    Args:
        storage: the slots.
        board: where weights are put up.
        timeout_seconds: how long an actor may take for one slot, start-up included.

    Raises:
        ConfigurationError: if ``timeout_seconds`` is not above 0.
    """

    shares_memory = False
    is_concurrent = False

    def __init__(self, storage: SlotMemory, board: WeightBoard, timeout_seconds: float = DEFAULT_TIMEOUT) -> None:
        self._storage, self._board = storage, board
        self._timeout_seconds = checked_timeout(timeout_seconds)
        self._end: _LocalLearnerEnd | None = None

    def launch(self, actor: ActorProgram, count: int) -> LearnerEnd:
        if self._end is not None:
            raise RuntimeError("a transport launches its actors once")
        self._end = _LocalLearnerEnd(self._storage, self._board, actor, count, self._timeout_seconds)
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
    def __init__(
        self, storage: SlotMemory, board: WeightBoard, actor: ActorProgram, count: int, timeout_seconds: float
    ) -> None:
        self._board, self._timeout_seconds = board, timeout_seconds
        self._settings, self._stack = ProcessSettings(), ExitStack()
        self._deadline = self._stack.enter_context(deadline(timeout_seconds, SILENCE_HINT))
        self._deadline.is_waiting = False
        self._committed: deque[Slot] = deque()
        self._ends = [_LocalActorEnd(board, self._committed) for _ in range(count)]
        self._actors: list[Iterator[None]] = [iter(actor.run(end, i)) for i, end in enumerate(self._ends)]
        self._next = 0
        self._is_stopped = False
        self._with_learner = Custody()
        self._hand_out([storage.slot(i) for i in range(storage.num_slots)])

    def collect(self, count: int) -> list[Slot]:
        while len(self._committed) < count and not self._is_stopped:
            self._step_one()
        if self._is_stopped:
            raise StoppedError
        slots = [self._committed.popleft() for _ in range(count)]
        self._with_learner.took(slots)
        return slots

    def stop(self) -> None:
        # the actor that is acting finishes its slot first
        self._is_stopped = True

    def _step_one(self) -> None:
        for _ in self._actors:
            index, self._next = self._next, (self._next + 1) % len(self._actors)
            if self._ends[index].free:
                self._step(index)
                return
        raise TimeoutError("collect: every slot is taken; release slots before collecting more")

    def _step(self, index: int) -> None:
        """Let an actor fill a slot."""
        self._deadline.renew()
        # the alarm is for the main thread, whoever set it
        self._deadline.is_waiting = threading.current_thread() is threading.main_thread()
        try:
            next(self._actors[index])
        except StopIteration:
            raise ActorError(index, "it ended without being told to") from None
        except Expired as error:  # where another thread steps, it is this one's waiting that ended
            raise EnvironmentFault(
                f"it did not answer within {error.seconds:g} s; {error.hint}", place=f"actor {index}"
            ) from None
        except (Exception, SystemExit) as error:
            raise failure_of_actor(index, error) from error
        finally:
            self._deadline.is_waiting = False
            self._settings.restore()  # what an environment makes of this process is not for the learner

    def release(self, slots: Sequence[Slot]) -> None:
        self._with_learner.gave_back(slots)
        self._hand_out(slots)

    def _hand_out(self, slots: Sequence[Slot]) -> None:
        for slot in slots:
            slot.sequence += 1
            self._ends[slot.actor].free.append(slot)

    def publish(self, weights: Weights) -> None:
        self._board.publish(weights)

    def close(self) -> None:
        with self._stack:
            for index, actor in enumerate(self._actors):
                try:
                    with deadline(min(self._timeout_seconds, _CLOSE_SECONDS), "it is left as it is"):
                        actor.close()  # type: ignore[attr-defined]
                except Expired as error:
                    warn_of_environment(f"actor {index}: close did not answer within {error.seconds:g} s")
            self._actors.clear()
