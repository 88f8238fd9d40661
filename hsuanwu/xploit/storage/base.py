"""The interface of storages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from hsuanwu.common.slot import Slot
from hsuanwu.common.trajectory import Trajectory


class Storage(ABC):
    """Memory for experience: it hands out slots, and makes batches of them. It moves nothing.

    Attributes:
        num_slots: how many slots there are.
    """

    num_slots: int

    @abstractmethod
    def slot(self, index: int) -> Slot:
        """Return slot ``index``; the same memory in every process that holds the storage."""

    @abstractmethod
    def batch(self, slots: Sequence[Slot], out: Trajectory | None = None) -> Trajectory:
        """Return the slots side by side, copied: they are free again when the call returns.

        Args:
            slots: what is copied, in this order.
            out: what is overwritten and returned, with the shapes and dtypes that a batch of as many slots has;
                None for tensors that belong to the storage and hold until the next call without ``out``.
        """
