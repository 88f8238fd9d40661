"""CUDA graphs in small, on the CPU: what is recorded is repeated in the same memory, and nothing of Python with it."""

import contextlib
import types

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READ_BY_PYTHON = {"aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::equal", "aten::nonzero"}


class CpuGraph:
    """Operations on tensors with the tensors that they were given and the ones that they gave."""

    def __init__(self):
        self.calls, self.generators = [], []

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def replay(self):
        for function, args, named, results in self.calls:
            for result, new in zip(tensors(results), tensors(function(*args, **named)), strict=True):
                result.copy_(new)


class Recorder(TorchDispatchMode):
    """Writes into a graph whatever operation is asked for; ones whose results Python looks at cannot be recorded."""

    def __init__(self, graph):
        super().__init__()
        self._graph = graph

    def __torch_dispatch__(self, function, _types, args=(), named=None):
        named = named or {}
        if function.name() in READ_BY_PYTHON:
            raise RuntimeError("operation not permitted when stream is capturing")
        for generator in (x for x in (*args, *named.values()) if isinstance(x, torch.Generator)):
            if generator._cdata not in [registered._cdata for registered in self._graph.generators]:
                raise RuntimeError("a generator that the graph was not told of")
        results = function(*args, **named)
        self._graph.calls.append((function, args, named, results))
        return results


@contextlib.contextmanager
def recording(graph, stream, capture_error_mode):
    """Record into ``graph``; a GPU computes nothing meanwhile, so what has been computed here is spoiled."""
    with Recorder(graph):
        yield
    known, fresh = set(), {}
    for _, args, named, results in graph.calls:
        known |= {memory(x) for x in tensors((args, named))} - fresh.keys()
        fresh |= {memory(x): x for x in tensors(results) if memory(x) not in known}
    for x in fresh.values():
        x.fill_(True if x.dtype == torch.bool else 77)


def memory(x):
    return x.untyped_storage().data_ptr()


def tensors(nest):
    return [x for x in tree_leaves(nest) if isinstance(x, torch.Tensor)]


class CpuTorch:
    """Stands for torch in ``hsuanwu.runtime.inference``: the CPU plays the GPU, and all memory is ordinary."""

    cuda = types.SimpleNamespace(
        CUDAGraph=CpuGraph,
        graph=recording,
        Event=lambda blocking: types.SimpleNamespace(record=lambda: None, synchronize=lambda: None),
        current_stream=lambda device: types.SimpleNamespace(synchronize=lambda: None),
    )

    def __getattr__(self, name):
        return getattr(torch, name)

    def empty_like(self, x, device=None, pin_memory=False):
        return torch.empty_like(x, device=device)
