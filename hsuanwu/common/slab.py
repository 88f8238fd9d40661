"""Named tensors carved from one block of memory, private or shared between processes."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.machine import total_memory

_SHARED = "/dev/shm"
_SMALLER = "fewer or shorter rollouts (num_actors, envs_per_actor, rollout_length)"
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

    Raises:
        ConfigurationError: if the system has not as much memory, private or shared.

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
        self._block = _allocated(max(end, 1), shared)
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
        self._block = state["block"]  # type: ignore[assignment]
        self.tensors = self._carve()


def _allocated(num_bytes: int, shared: bool) -> Tensor:
    """Return zeroed bytes, if there is room: what a system grants and does not have is missed when it is used."""
    if shared:
        _check_shared(num_bytes)
    size = total_memory()
    if size is not None and num_bytes > size:
        raise ConfigurationError(
            f"storage: {_shown(num_bytes)} are needed, this machine has {_shown(size)}; use {_SMALLER}"
        )
    try:
        block = torch.zeros(num_bytes, dtype=torch.uint8)
        return block.share_memory_() if shared else block
    except RuntimeError as error:
        raise ConfigurationError(
            f"storage: {_shown(num_bytes)} cannot be allocated ({_first_line(error)}); use {_SMALLER}"
        ) from error


def _check_shared(num_bytes: int) -> None:
    if not os.path.isdir(_SHARED):
        return
    if not os.access(_SHARED, os.W_OK):
        raise ConfigurationError(
            f"transport: {_SHARED}, which shared memory lies in, is read-only; use transport=thread"
        )
    there = os.statvfs(_SHARED)
    free = there.f_bavail * there.f_frsize
    if there.f_blocks and num_bytes > free:
        raise ConfigurationError(
            f"transport: {_shown(num_bytes)} of shared memory are needed, and {_SHARED} has {_shown(free)} left; use "
            f"transport=thread, a larger {_SHARED} (docker run --shm-size), or {_SMALLER}"
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _shown(num_bytes: int) -> str:
    """Return a size in words.

    Example:
        >>> _shown(3_500_000)
        '3.5 MB'
    """
    size, unit = float(num_bytes), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}" if unit != "bytes" else f"{num_bytes} bytes"
