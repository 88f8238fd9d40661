"""Weights are read whole or not at all."""

import pytest
import torch

from hsuanwu.runtime.weights import WeightBoard, Weights
from tests.waiting import PATIENCE, wait_for

SHAPE = (300, 300)
BURST = 50


def board(shared=False):
    return WeightBoard({"a": torch.zeros(SHAPE), "b": torch.zeros(3, dtype=torch.int64)}, shared)


def weights(version):
    return Weights(version, {"a": torch.full(SHAPE, float(version)), "b": torch.full((3,), version)})


def test_nothing_before_the_first_version():
    assert board().read(-1) is None


def test_reads_the_latest_version_and_keeps_dtypes():
    x = board()
    for version in range(5):
        x.publish(weights(version))
    found = x.read(2)
    assert found.version == 4
    assert found.tensors["a"].unique().tolist() == [4.0]
    assert found.tensors["b"].tolist() == [4, 4, 4] and found.tensors["b"].dtype == torch.int64
    assert x.read(4) is None


def test_a_read_is_a_copy():
    x = board()
    x.publish(weights(1))
    found = x.read(0)
    x.publish(weights(2))
    x.publish(weights(3))
    assert found.tensors["a"].unique().tolist() == [1.0]


def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.LSTM(4, 2))


def test_weights_are_loaded_into_the_memory_of_a_module():
    module, other = network(1), network(2)
    other[1](torch.randn(5, 4))  # its running statistics move
    module.requires_grad_(False)
    pointers = {name: x.data_ptr() for name, x in module.state_dict().items()}
    x = WeightBoard(other.state_dict(), shared=False)
    x.publish(Weights(1, other.state_dict()))
    x.read(0).load_into(module)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]) and tensor.data_ptr() == pointers[name], name
    twin = network(3)
    twin.load_state_dict(other.state_dict())
    torch.testing.assert_close(module.eval()[1](torch.ones(2, 4)), twin.eval()[1](torch.ones(2, 4)))


def test_weights_are_loaded_without_a_gradient():
    module = network(1)
    Weights(1, network(2).state_dict()).load_into(module)
    assert all(weight.requires_grad and weight.is_leaf for weight in module.parameters())


def test_weights_that_are_missing_are_an_error():
    tensors = network(2).state_dict()
    del tensors["1.bias"]
    with pytest.raises(KeyError, match=r"1\.bias"):
        Weights(1, tensors).load_into(network(1))


class Unstamped(WeightBoard):
    """The mutant: one buffer, and a reader that trusts what it copied."""

    def _bind(self):
        super()._bind()
        self._buffers = self._buffers[:1] * 2

    def read(self, newer_than):
        version = int(self._header[2])
        if version <= newer_than:
            return None
        tensors = [tensor.clone() for tensor in self._buffers[version % 2]]
        return Weights(version, dict(zip(self._names, tensors, strict=True)))


class Reading:
    """What a process that reads and one that writes say to each other."""

    def __init__(self, context):
        self.has_begun, self.stop = context.Event(), context.Event()
        self.num_torn, self.num_seen, self.has_read = context.Value("i", 0), context.Value("i", 0), context.Semaphore(0)


def read_many(x, reading):
    """Read until told to stop; count the versions that were not whole."""
    reading.has_begun.set()
    version = -1
    while not reading.stop.is_set():
        found = x.read(version)
        if found is not None:
            version = found.version
            is_whole = (found.tensors["a"] == version).all() and (found.tensors["b"] == version).all()
            reading.num_torn.value += not is_whole
            reading.num_seen.value += 1
            reading.has_read.release()


def count_torn(x, enough):
    """Publish as fast as possible while another process reads, until ``enough`` says so; return (torn, seen)."""
    context = torch.multiprocessing.get_context("spawn")
    reading, version = Reading(context), 0
    reader = context.Process(target=read_many, args=(x, reading))
    reader.start()
    wait_for(reading.has_begun, "a process that reads")
    while version < 1000 or not enough(reading.num_torn.value, reading.num_seen.value):
        for _ in range(BURST):
            x.publish(weights(version))
            version += 1
        # where cores are few, nobody would ever find a whole version otherwise
        assert reading.has_read.acquire(timeout=PATIENCE), "nothing is read"
    reading.stop.set()
    reader.join(PATIENCE)
    return reading.num_torn.value, reading.num_seen.value


def test_no_read_is_torn():
    torn, seen = count_torn(board(shared=True), lambda torn, seen: seen >= 100)
    assert torn == 0
    assert seen >= 100


def test_the_check_can_fail():
    mutant = Unstamped({"a": torch.zeros(SHAPE), "b": torch.zeros(3, dtype=torch.int64)}, shared=True)
    assert count_torn(mutant, lambda torn, seen: torn)[0] > 0
