"""Versioned weights: one writer, any number of readers, never half of one version."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hsuanwu.common.slab import Slab, TensorSpec

_NUM_BUFFERS = 2
_HEADER = TensorSpec((3,), torch.int64)
_BEGIN, _END, _LATEST = range(3)
_FENCE = threading.Lock()


@dataclass(frozen=True)
class Weights:
    """The weights of one version.

    Attributes:
        version: number of updates behind them.
        tensors: a state dict.
    """

    version: int
    tensors: Mapping[str, Tensor]

    @torch.no_grad()
    def load_into(self, module: nn.Module) -> None:
        """Copy the weights into ``module``; ``load_state_dict`` would spend more time on names than on numbers."""
        for name, tensor in module.state_dict().items():
            tensor.copy_(self.tensors[name])


class WeightBoard:
    """Where a learner puts weights up and actors read them, in one process or in many.

    Two buffers take turns. The writer stamps a buffer before and after it writes; a reader copies, then
    looks whether both stamps still are the version that it meant to read, and tries again if not. There
    is no lock that a dying process could take along.

    Args:
        state_dict: shapes and dtypes of the weights.
        shared: whether other processes read.
        device: where the weights lie; a GPU's memory is not shared.
    """

    def __init__(self, state_dict: Mapping[str, Tensor], shared: bool, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        layout = {"header": _HEADER}
        self._on_device: dict[str, Tensor] = {}
        for buffer in range(_NUM_BUFFERS):
            layout[f"{buffer}/stamps"] = _HEADER
            for name, tensor in state_dict.items():
                if self._device.type == "cpu":
                    layout[f"{buffer}/{name}"] = TensorSpec(tuple(tensor.shape), tensor.dtype)
                else:
                    self._on_device[f"{buffer}/{name}"] = torch.zeros_like(tensor, device=self._device)
        self._names = list(state_dict)
        self._slab = Slab(layout, shared)
        self._header = self._slab.tensors["header"].numpy()
        self._header[_LATEST] = -1
        self._bind()

    def _bind(self) -> None:
        tensors = {**self._slab.tensors, **self._on_device}
        self._header = tensors["header"].numpy()
        self._stamps = [tensors[f"{buffer}/stamps"].numpy() for buffer in range(_NUM_BUFFERS)]
        self._buffers = [[tensors[f"{buffer}/{name}"] for name in self._names] for buffer in range(_NUM_BUFFERS)]

    def publish(self, weights: Weights) -> None:
        """Put up a version; versions grow by one.

        Raises:
            ValueError: if this one, or a later one, has been published.
        """
        if weights.version <= int(self._header[_LATEST]):
            raise ValueError(
                f"publish: found version {weights.version} after {int(self._header[_LATEST])}; versions grow by one"
            )
        buffer = weights.version % _NUM_BUFFERS
        stamps = self._stamps[buffer]
        stamps[_END] = -1
        _fence()
        stamps[_BEGIN] = weights.version
        _fence()
        sources = [weights.tensors[name] for name in self._names]
        torch._foreach_copy_(self._buffers[buffer], sources, non_blocking=self._device.type == "cuda")
        self._settle()
        stamps[_END] = weights.version
        _fence()
        self._header[_LATEST] = weights.version

    def read(self, newer_than: int) -> Weights | None:
        """Return a copy of the latest weights, or None where there are none newer than ``newer_than``."""
        while (version := int(self._header[_LATEST])) > newer_than:
            buffer = version % _NUM_BUFFERS
            _fence()
            tensors = {name: x.clone() for name, x in zip(self._names, self._buffers[buffer], strict=True)}
            self._settle()
            stamps = self._stamps[buffer]
            if int(stamps[_BEGIN]) == version == int(stamps[_END]):
                return Weights(version, tensors)
        return None

    def _settle(self) -> None:
        """Wait until what was asked for so far is done."""
        if self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        _fence()

    def __getstate__(self) -> dict[str, Any]:
        return {"names": self._names, "slab": self._slab}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._names, self._slab = state["names"], state["slab"]
        self._device, self._on_device = torch.device("cpu"), {}
        self._bind()


def _fence() -> None:
    """Keep the processor from moving memory accesses across this point.

    What stands before may sink into the first critical section, what stands after may rise into the
    second one, and a release is never moved behind the next acquire: nothing gets past both.
    """
    for _ in range(2):
        with _FENCE:
            pass
