"""Where the learner's batches come from: made when it asks, or by a thread that is one batch ahead."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import torch

from hsuanwu.common.nest import leaves
from hsuanwu.common.slot import Slot
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.runtime.transport import LearnerEnd, StoppedError
from hsuanwu.runtime.waiting import take
from hsuanwu.xploit.storage import Storage

OnSlots = Callable[[Sequence[Slot]], None]

_JOIN_SECONDS = 10.0


class Batches(ABC):
    """The learner's source of batches; a context manager that closes itself.

    Close it before the transport: what waits for actors must be gone when they end.
    """

    @abstractmethod
    def next(self) -> Trajectory:
        """Return the next batch; it holds until the next call.

        ``on_slots`` is called once on the way, in the thread of the caller, when the actors have delivered.

        Raises:
            ActorError: if an actor died.
            TimeoutError: if the actors are silent for longer than the transport allows.
            StoppedError: if the source is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop collecting for good; leaves no thread, and may be called twice."""

    def __enter__(self) -> Batches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DirectBatches(Batches):
    """Makes each batch when it is asked for, on the CPU: nothing is older than it must be.

    Args:
        end: the learner's end of a transport.
        storage: where the slots lie.
        num_slots: slots in a batch.
        on_slots: takes note of the slots of each batch before they are released.
        inspect: looks at their trajectories.
    """

    def __init__(
        self,
        end: LearnerEnd,
        storage: Storage,
        num_slots: int,
        on_slots: OnSlots,
        inspect: OnSlots = lambda slots: None,
    ) -> None:
        self._end, self._storage, self._num_slots, self._on_slots = end, storage, num_slots, on_slots
        self._inspect = inspect

    def next(self) -> Trajectory:
        slots = self._end.collect(self._num_slots)
        self._inspect(slots)
        self._on_slots(slots)
        batch = self._storage.batch(slots)
        self._end.release(slots)
        return batch

    def close(self) -> None:
        self._end.stop()


class PrefetchedBatches(Batches):
    """Makes the next batch in a thread while the learner learns from the last one; never more than one ahead.

    Two staging buffers take turns: the learner has one until it asks for the next batch, the thread fills
    the other. For a CUDA device they are pinned, and the thread copies them there on a stream of its own, so that
    a batch travels while the device computes; for any other device batches stay on the CPU.

    The slots that ``on_slots`` gets are free again: it may read their ``episode_return``, ``episode_length``,
    ``seconds`` and ``processor_seconds``, which are copies, and not their trajectories.

    Args:
        end: the learner's end of a transport.
        storage: where the slots lie.
        num_slots: slots in a batch.
        on_slots: takes note of the slots of each batch.
        device: where the learner is.
        inspect: looks at their trajectories, in the thread.
    """

    def __init__(
        self,
        end: LearnerEnd,
        storage: Storage,
        num_slots: int,
        on_slots: OnSlots,
        device: torch.device,
        inspect: OnSlots = lambda slots: None,
    ) -> None:
        self._end, self._storage, self._num_slots, self._on_slots = end, storage, num_slots, on_slots
        self._inspect = inspect
        self._is_closed = False
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._free: SimpleQueue[_Buffer | None] = SimpleQueue()
        self._ready: SimpleQueue[_Parcel | BaseException] = SimpleQueue()
        # the learner has one of the two from the beginning, or the thread would begin two batches ahead
        self._held: _Buffer | None = _Buffer()
        self._free.put(_Buffer())
        self._thread = threading.Thread(target=self._run, name="hsuanwu-prefetch", daemon=True)
        self._thread.start()

    def next(self) -> Trajectory:
        if self._is_closed:
            raise StoppedError
        self._give_back()
        parcel = take(self._ready)
        if isinstance(parcel, BaseException):
            self._ready.put(parcel)  # there will be no other
            raise parcel
        self._held = parcel.buffer
        if parcel.arrived is not None:
            _receive_on_device(parcel.batch, parcel.arrived)
        self._on_slots(parcel.slots)
        return parcel.batch

    def close(self) -> None:
        self._is_closed = True
        self._end.stop()
        self._free.put(None)
        self._thread.join(_JOIN_SECONDS)

    def _give_back(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._free.put(held)

    def _run(self) -> None:
        torch.set_num_threads(1)  # copying is bound by memory; the cores belong to actors and learner
        try:
            while (buffer := self._free.get()) is not None:
                self._ready.put(self._fill(buffer))
            raise StoppedError
        except BaseException as error:
            self._ready.put(error)

    def _fill(self, buffer: _Buffer) -> _Parcel:
        slots = self._end.collect(self._num_slots)
        self._inspect(slots)
        notes = [_with_own_notes(slot) for slot in slots]
        batch = buffer.load(self._storage, slots, is_pinned=self._stream is not None)
        self._end.release(slots)
        if self._stream is None:
            return _Parcel(buffer, notes, batch)
        with torch.cuda.stream(self._stream):
            batch = batch.to(self._stream.device)
            buffer.sent = self._stream.record_event(torch.cuda.Event(blocking=True))
        return _Parcel(buffer, notes, batch, buffer.sent)


class _Buffer:
    """Memory on the CPU for one batch.

    Attributes:
        sent: happens when the batch has been copied from here to the device; None where it stays.
    """

    def __init__(self) -> None:
        self.sent: torch.cuda.Event | None = None
        self._batch: Trajectory | None = None

    def load(self, storage: Storage, slots: Sequence[Slot], is_pinned: bool) -> Trajectory:
        """Copy slots to here, when what was here before is no longer needed, and return the batch."""
        if self.sent is not None:
            self.sent.synchronize()
        if self._batch is None:
            # only the storage knows what a batch of its slots looks like
            self._batch = storage.batch(slots).map(lambda x: torch.empty_like(x, pin_memory=is_pinned))
        return storage.batch(slots, self._batch)


@dataclass
class _Parcel:
    """A batch on its way from the thread to the learner.

    Attributes:
        buffer: where it lies, or lay before it was copied to the device.
        slots: what it was made of.
        batch: the batch.
        arrived: happens when the batch is on the device; None where it stays on the CPU.
    """

    buffer: _Buffer
    slots: list[Slot]
    batch: Trajectory
    arrived: torch.cuda.Event | None = None


def _with_own_notes(slot: Slot) -> Slot:
    """Return a slot with copies of what its actor says of itself."""
    names = ("episode_return", "episode_length", "seconds", "processor_seconds")
    return replace(slot, **{name: getattr(slot, name).clone() for name in names})


def _receive_on_device(batch: Trajectory, arrived: torch.cuda.Event) -> None:
    """Let the caller's stream wait for a batch, and keep the batch's memory until that stream is past it."""
    tensors: list[Any] = [leaf for f in fields(batch) for leaf in leaves(getattr(batch, f.name))]
    stream = torch.cuda.current_stream(tensors[0].device)
    stream.wait_event(arrived)
    for tensor in tensors:
        tensor.record_stream(stream)
