"""A slot: the room for one rollout of one actor, and what the actor says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from torch import Tensor

from hsuanwu.common.trajectory import Trajectory


class Activity(IntEnum):
    """What an actor's time goes to; the index of each in ``Slot.seconds``.

    Transport is all that moves data: from the environments into slots, weights, the slots themselves.
    """

    ENVIRONMENT = 0
    INFERENCE = 1
    WAITING = 2
    TRANSPORT = 3


@dataclass
class Slot:
    """Memory that an actor fills with one rollout of ``T`` steps of its ``B`` environments.

    Attributes:
        index: which slot of the storage it is.
        actor: the actor that it belongs to.
        sequence: how often the slot has been handed out; a commit of an older number is void.
        trajectory: the rollout, views of the storage's memory.
        episode_return: ``[T, B]`` float64, undiscounted raw return where an episode ended, else 0.
        episode_length: ``[T, B]`` int64, environment steps where an episode ended, else 0.
        seconds: ``[len(Activity)]`` float64, what the actor's time went to.
        processor_seconds: ``[1]`` float64, what its process computed meanwhile, on all cores together, or it
            waited for a core.
    """

    index: int
    actor: int
    sequence: int
    trajectory: Trajectory
    episode_return: Tensor
    episode_length: Tensor
    seconds: Tensor
    processor_seconds: Tensor


class SlotMemory(Protocol):
    """What a transport needs of a storage."""

    num_slots: int

    def slot(self, index: int) -> Slot:
        """Return slot ``index``, views of the same memory in every process."""
