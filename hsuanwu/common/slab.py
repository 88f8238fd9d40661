"""Named tensors carved from one block of memory, private or shared between processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_ALIGNMENT_BYTES = 64


@dataclass(frozen=True)
class TensorSpec:
    """Shape and dtype of one tensor."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def num_bytes(self) -> int:
        """Bytes of memory that such a tensor fills."""
        return math.prod(self.shape) * self.dtype.itemsize


class Slab:
    """One block of zeroed bytes and the tensors that lie in it.

    With ``shared=True`` the block is shared memory without a name in the file system (torch's file
    descriptor strategy): a slab that is an argument of another process maps the same bytes there,
    and the system takes the memory back when the last process that maps it is gone, however it ends.

    Args:
        specs: what lies in the block, by name.
        shared: whether other processes can map the block.

    Example:
        >>> slab = Slab({"x": TensorSpec((2, 3), torch.float32)}, shared=False)
        >>> slab.tensors["x"].shape
        torch.Size([2, 3])
    """

    def __init__(self, specs: Mapping[str, TensorSpec], shared: bool) -> None:
        self._offsets: dict[str, tuple[int, TensorSpec]] = {}
        end = 0
        for name, spec in specs.items():
            self._offsets[name] = (end, spec)
            end += -(-spec.num_bytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        block = torch.zeros(max(end, 1), dtype=torch.uint8)
        self._block = block.share_memory_() if shared else block
        self.tensors = self._carve()

    def _carve(self) -> dict[str, Tensor]:
        return {
            name: self._block[start : start + spec.num_bytes].view(spec.dtype).view(spec.shape)
            for name, (start, spec) in self._offsets.items()
        }

    @property
    def num_bytes(self) -> int:
        """Size of the whole block in bytes."""
        return self._block.numel()

    def __getstate__(self) -> dict[str, object]:
        return {"offsets": self._offsets, "block": self._block}

    def __setstate__(self, state: dict[str, object]) -> None:
        self._offsets = state["offsets"]  # type: ignore[assignment]
        self._block = state["block"]
        self.tensors = self._carve()
