import copy
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hsuanwu.common.slab import Slab, TensorSpec
from tests.common.child import write_and_wait
from tests.processes import DEV_SHM, shared_files
from tests.waiting import PATIENCE, wait_for

SPECS = {
    "x": TensorSpec((2, 3), torch.float32),
    "flags": TensorSpec((5,), torch.bool),
    "number": TensorSpec((), torch.int64),
    "nothing": TensorSpec((0, 4), torch.float64),
    "frames": TensorSpec((3, 7, 7), torch.uint8),
    "halves": TensorSpec((3,), torch.bfloat16),
    "words": TensorSpec((2,), torch.uint16),
}


@pytest.mark.parametrize("shared", [False, True])
def test_tensors_lie_side_by_side_in_one_block(shared):
    slab = Slab(SPECS, shared)
    base, end = slab.tensors["x"].data_ptr(), 0
    assert slab.num_bytes < 64 * (len(SPECS) + 2) and slab.tensors["x"].is_shared() == shared
    for name, spec in SPECS.items():
        tensor = slab.tensors[name]
        assert (tensor.shape, tensor.dtype) == (torch.Size(spec.shape), spec.dtype)
        assert tensor.is_contiguous() and not tensor.any()
        assert spec.num_bytes == tensor.numel() * tensor.element_size()
        if tensor.numel():
            start = tensor.data_ptr() - base
            assert start % 64 == 0 and tensor.data_ptr() % 64 == 0, "not aligned"
            assert start >= end, "two tensors overlap"
            end = start + spec.num_bytes
    assert end <= slab.num_bytes


def test_tensors_are_views_of_the_block():
    slab = Slab(SPECS, shared=False)
    for value, tensor in enumerate(slab.tensors.values(), 1):
        tensor.fill_(value)
    for value, (name, tensor) in enumerate(slab.tensors.items(), 1):
        expected = torch.full(SPECS[name].shape, value).to(SPECS[name].dtype)
        assert torch.equal(tensor, expected), f"{name} was overwritten"
    storages = {tensor.untyped_storage().data_ptr() for tensor in slab.tensors.values() if tensor.numel()}
    assert len(storages) == 1
    slab.tensors["x"].numpy()[0, 0] = 7
    assert slab.tensors["x"][0, 0] == 7


def test_nothing_at_all_is_a_slab():
    assert Slab({}, shared=True).tensors == {}
    assert Slab({"x": TensorSpec((0,), torch.float32)}, shared=False).tensors["x"].shape == (0,)


def test_a_copy_has_memory_of_its_own():
    slab = Slab(SPECS, shared=False)
    slab.tensors["x"].fill_(3.0)
    twin = copy.deepcopy(slab)
    assert torch.equal(twin.tensors["x"], slab.tensors["x"])
    twin.tensors["x"].fill_(4.0)
    assert (slab.tensors["x"] == 3.0).all()
    assert not np.shares_memory(twin.tensors["x"].numpy(), slab.tensors["x"].numpy())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /dev/shm to look at")
def test_a_shared_block_is_seen_in_a_spawned_process_and_has_no_name():
    context = torch.multiprocessing.get_context("spawn")
    may_write, is_written = context.Event(), context.Event()
    slab = Slab(SPECS, shared=True)
    assert shared_files(os.getpid()) == [], "a name while only we map it"
    child = context.Process(target=write_and_wait, args=(slab, may_write, is_written))
    child.start()
    try:
        slab.tensors["x"].fill_(1.0)
        may_write.set()
        wait_for(is_written, "what the other process writes")
        assert slab.tensors["x"].eq(2.0).all() and slab.tensors["flags"].tolist() == [False, True, False, False, False]
        assert shared_files(os.getpid(), child.pid) == [], "a name while two processes map it"
        maps = Path(f"/proc/{child.pid}/maps").read_text()
        lines = [line for line in maps.splitlines() if str(DEV_SHM / "torch_") in line]
        assert lines and all(line.endswith("(deleted)") for line in lines)
        child.kill()
        child.join(PATIENCE)
        assert shared_files(os.getpid(), child.pid) == [], "a killed process left a name"
        assert slab.tensors["x"].eq(2.0).all()
    finally:
        child.kill()
        child.join(PATIENCE)
