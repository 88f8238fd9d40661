"""Weights are read whole or not at all."""

import time

import pytest
import torch

from hsuanwu.runtime.weights import WeightBoard, Weights

SHAPE = (300, 300)


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


def read_many(x, ready, stop, torn, seen):
    """Read until told to stop; count the versions that were not whole."""
    ready.set()
    version = -1
    while not stop.is_set():
        found = x.read(version)
        if found is not None:
            version = found.version
            seen.value += 1
            is_whole = (found.tensors["a"] == version).all() and (found.tensors["b"] == version).all()
            torn.value += not is_whole


def count_torn(x, enough):
    """Publish as fast as possible while another process reads, until ``enough`` says so; return (torn, seen)."""
    context = torch.multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    torn, seen = context.Value("i", 0), context.Value("i", 0)
    reader = context.Process(target=read_many, args=(x, ready, stop, torn, seen))
    reader.start()
    assert ready.wait(60)
    version, deadline = 0, time.monotonic() + 60
    while not (version > 1000 and enough(torn.value, seen.value)) and time.monotonic() < deadline:
        x.publish(weights(version))
        version += 1
        if version % 50 == 0:  # where cores are few, a reader without a pause would hardly ever find a whole version
            time.sleep(1e-3)
    stop.set()
    reader.join(30)
    return torn.value, seen.value


def test_no_read_is_torn():
    torn, seen = count_torn(board(shared=True), lambda torn, seen: seen >= 200)
    assert torn == 0
    assert seen >= 200


def test_the_check_can_fail():
    mutant = Unstamped({"a": torch.zeros(SHAPE), "b": torch.zeros(3, dtype=torch.int64)}, shared=True)
    assert count_torn(mutant, lambda torn, seen: torn)[0] > 0
