"""What every storage keeps."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor

from hsuanwu.common.nest import map_nest, named_leaves
from hsuanwu.common.slot import Slot
from hsuanwu.common.trajectory import BATCH_AXIS, Trajectory
from hsuanwu.xploit.storage.base import Storage

_CHILD_SECONDS = 60


def check_storage(storage: Storage, seed: int = 0) -> None:
    """Assert that a storage keeps the contract of storages.

    Its slots share no memory with each other, and hold what was written; a batch is the slots side by side, in
    the order given, and a copy of them, in memory of the storage's or of the caller's.

    Args:
        storage: any storage; its slots are overwritten.
        seed: of what is written.
    """
    slots = [storage.slot(index) for index in range(storage.num_slots)]
    assert [slot.index for slot in slots] == list(range(storage.num_slots)), "a slot has another's index"
    for slot in slots:
        fill_slot(slot, seed + slot.index)
    for index in range(storage.num_slots):
        check_slot(storage.slot(index), seed + index)
    for count in range(1, storage.num_slots + 1):
        _check_batch(storage, slots[::-1][:count], seed + count)
        _check_batch_out(storage, slots[:count], seed + count)


def check_shared_storage(storage: Storage, seed: int = 0) -> None:
    """Assert that a spawned process that is given a storage reads and writes the same slots as this one.

    Args:
        storage: a storage in shared memory; its slots are overwritten.
        seed: of what is written.
    """
    slots = [storage.slot(index) for index in range(storage.num_slots)]
    for slot in slots:
        fill_slot(slot, seed + slot.index)
    child = torch.multiprocessing.get_context("spawn").Process(target=_read_and_write, args=(storage, seed))
    child.start()
    child.join(_CHILD_SECONDS)
    if child.is_alive():
        child.kill()
        child.join()
    assert child.exitcode == 0, "a spawned process did not find what was written here"
    for slot in slots:
        check_slot(slot, seed + 1000 + slot.index)


def fill_slot(slot: Slot, seed: int) -> None:
    """Overwrite every number of a slot with random ones."""
    for (_, tensor), values in zip(_tensors(slot), _contents(slot, seed), strict=True):
        tensor.copy_(values)


def check_slot(slot: Slot, seed: int) -> None:
    """Assert that a slot holds what ``fill_slot`` wrote with the same seed."""
    for (name, tensor), values in zip(_tensors(slot), _contents(slot, seed), strict=True):
        assert torch.equal(tensor, values), f"slot {slot.index} does not hold the {name} that was written"


def _check_batch(storage: Storage, slots: list[Slot], seed: int) -> None:
    for slot in slots:
        fill_slot(slot, seed + slot.index)
    kept = [slot.trajectory.map(torch.clone) for slot in slots]
    batch = storage.batch(slots)
    for slot in slots:
        check_slot(slot, seed + slot.index)
        fill_slot(slot, seed + 100 + slot.index)
    _check_is_side_by_side(batch, kept)


def _check_batch_out(storage: Storage, slots: list[Slot], seed: int) -> None:
    """Two batches of the caller's and one of the storage's are three: none is overwritten by the others."""
    own = storage.batch(slots)
    outs = [own.map(torch.empty_like), None, own.map(torch.empty_like)]
    kept = []
    for number, out in enumerate(outs):
        for slot in slots:
            fill_slot(slot, seed + 200 + 100 * number + slot.index)
        kept.append([slot.trajectory.map(torch.clone) for slot in slots])
        batch = storage.batch(slots, out)
        for (name, found), (_, wanted) in zip(_leaves(batch), _leaves(out or own), strict=True):
            assert found.data_ptr() == wanted.data_ptr(), f"{name} of a batch lies elsewhere than it should"
    for out, trajectories in zip(outs, kept, strict=True):
        _check_is_side_by_side(out or own, trajectories)


def _check_is_side_by_side(batch: Trajectory, kept: list[Trajectory]) -> None:
    assert batch.num_steps == kept[0].num_steps, "a batch has other steps than its slots"
    assert batch.num_envs == sum(trajectory.num_envs for trajectory in kept), "environments are missing"
    for f in fields(Trajectory):
        axis = BATCH_AXIS.get(f.name, 1)
        parts = [getattr(trajectory, f.name) for trajectory in kept]
        expected = map_nest(lambda *xs, axis=axis: torch.cat(xs, axis), *parts)
        pairs = zip(named_leaves(getattr(batch, f.name), f.name), named_leaves(expected, f.name), strict=True)
        for (name, found), (expected_name, values) in pairs:
            assert name == expected_name, f"{expected_name} became {name}"
            assert torch.equal(found, values), f"{name} of a batch is not that of its slots, side by side"


def _tensors(slot: Slot) -> list[tuple[str, Tensor]]:
    own = [(name, getattr(slot, name)) for name in ("episode_return", "episode_length", "seconds")]
    return _leaves(slot.trajectory) + own


def _leaves(trajectory: Trajectory) -> list[tuple[str, Tensor]]:
    return [pair for f in fields(Trajectory) for pair in named_leaves(getattr(trajectory, f.name), f.name)]


def _contents(slot: Slot, seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [_random(tensor, generator) for _, tensor in _tensors(slot)]


def _random(like: Tensor, generator: torch.Generator) -> Tensor:
    high = 2 if like.dtype == torch.bool else 100
    return torch.randint(0, high, like.shape, generator=generator).to(like.dtype)


def _read_and_write(storage: Storage, seed: int) -> None:
    for index in range(storage.num_slots):
        check_slot(storage.slot(index), seed + index)
        fill_slot(storage.slot(index), seed + 1000 + index)
