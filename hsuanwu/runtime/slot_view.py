"""A slot as one group of environments sees it: its columns, row by row, cut once."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from torch import Tensor

from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.slot import Slot
from hsuanwu.common.trajectory import BATCH_AXIS, Trajectory


class SlotView:
    """Views of some columns of a slot; to cut them anew at each step would take longer than to copy a row.

    Args:
        slot: the slot.
        start: the first environment's column.
        count: how many environments.

    Attributes:
        trajectory: the columns as tensors.
        arrays: the same memory as numpy arrays.
        seen: of each of the ``T + 1`` rows what a policy sees: observation, is_first, last_action, last_reward.
        next_observation: of each of the ``T`` rows the arrays of the row after it.
        action: of each of the ``T`` rows the actions; so is ``log_prob``.
        episode_return: ``[T, count]``, as in the slot; so is ``episode_length``.
        outcomes: as in the slot, of these columns.
        ends: episodes that ended and count, how many of them were terminated, and how many truncated.
    """

    def __init__(self, slot: Slot, start: int, count: int) -> None:
        def columns(name: str) -> Nest:
            axis = BATCH_AXIS.get(name, 1)
            return map_nest(lambda x: x.narrow(axis, start, count), getattr(slot.trajectory, name))

        self.trajectory = Trajectory(**{f.name: columns(f.name) for f in fields(Trajectory)})
        self.arrays: Any = self.trajectory.map(Tensor.numpy)
        num_steps, observation = slot.trajectory.num_steps, self.arrays.observation
        self.seen = [map_nest(lambda x, t=t: x[t], seen(self.trajectory)) for t in range(num_steps + 1)]
        self.next_observation = [map_nest(lambda x, t=t: x[t + 1], observation) for t in range(num_steps)]
        self.action = self.trajectory.action.unbind()
        self.log_prob = self.trajectory.log_prob.unbind()
        self.episode_return = slot.episode_return.narrow(1, start, count).numpy()
        self.episode_length = slot.episode_length.narrow(1, start, count).numpy()
        self.outcomes: dict[str, tuple[int, float]] = {}
        self.ends = [0, 0, 0]


def seen(trajectory: Trajectory) -> tuple[Nest, ...]:
    """Return what a policy sees, ``[T + 1, ...]`` leaves."""
    return trajectory.observation, trajectory.is_first, trajectory.last_action, trajectory.last_reward
