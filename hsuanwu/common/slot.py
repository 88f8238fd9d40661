"""A slot: the room for one rollout of one actor, and what the actor says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
        outcomes: what the episodes that ended told of themselves, by name: how many did, and the sum of their numbers.
            ``terminated`` and ``truncated`` are told by all, as 0 or 1; the numbers of their last ``info`` follow
            ``info_``. It lies in no memory that processes share: a transport hands it over with the slot.
    """

    index: int
    actor: int
    sequence: int
    trajectory: Trajectory
    episode_return: Tensor
    episode_length: Tensor
    seconds: Tensor
    processor_seconds: Tensor
    outcomes: dict[str, tuple[int, float]] = field(default_factory=dict)


class SlotMemory(Protocol):
    """What a transport needs of a storage."""

    num_slots: int

    def slot(self, index: int) -> Slot:
        """Return slot ``index``, views of the same memory in every process."""


def sum_outcomes(parts: Iterable[Mapping[str, tuple[int, float]]]) -> dict[str, tuple[int, float]]:
    """Return the outcomes of all episodes of several parts together.

    Example:
        >>> sum_outcomes([{"truncated": (2, 1.0)}, {"truncated": (1, 1.0), "info_x": (1, 0.5)}])
        {'truncated': (3, 2.0), 'info_x': (1, 0.5)}
    """
    result: dict[str, tuple[int, float]] = {}
    for part in parts:
        for name, (count, total) in part.items():
            before = result.get(name, (0, 0.0))
            result[name] = before[0] + count, before[1] + total
    return result
