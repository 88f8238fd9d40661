"""Trajectories in one block of memory, private or shared between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest, map_nest, named_leaves, unflatten
from hsuanwu.common.registry import register
from hsuanwu.common.slab import Slab, TensorSpec
from hsuanwu.common.slot import Activity, Slot
from hsuanwu.common.spaces import SpaceLike, as_space
from hsuanwu.common.trajectory import Trajectory, concatenate, trajectory_specs
from hsuanwu.xploit.storage.base import Storage


@register("storage", "trajectory")
class TrajectoryStorage(Storage):
    """Slots for whole trajectories, ``slots_per_actor`` for each actor.

    Args:
        observation_space: what one observation looks like.
        action_space: what one action looks like.
        rollout_length: T, steps of each environment in a slot.
        envs_per_actor: B, environments in a slot.
        num_actors: actors that fill slots; actor ``i`` owns slots ``i * k`` to ``(i + 1) * k - 1``.
        state_spec: nest of ``TensorSpec``, the recurrent state of one environment; ``()`` without.
        shared: whether the slots lie in shared memory.
        slots_per_actor: k; with 2 an actor fills one while the learner reads the other. What goes beyond two batches
            for all actors together is used only while the learner waits for data. None is 2; in a run where
            anything is chosen automatically, as many as keep actors busy without making their data older.

    Raises:
        ConfigurationError: if ``slots_per_actor`` is below 1.

    Example:
        >>> storage = TrajectoryStorage({"shape": (4,)}, {"shape": (2,), "type": "Discrete", "range": [0, 1]},
        ...                             rollout_length=5, envs_per_actor=3, num_actors=2, state_spec=(), shared=False)
        >>> storage.num_slots, storage.slot(0).trajectory.observation.shape
        (4, torch.Size([6, 3, 4]))
    """

    def __init__(
        self,
        observation_space: SpaceLike,
        action_space: SpaceLike,
        rollout_length: int,
        envs_per_actor: int,
        num_actors: int,
        state_spec: Nest,
        shared: bool,
        slots_per_actor: int | None = None,
    ) -> None:
        slots_per_actor = 2 if slots_per_actor is None else slots_per_actor
        if slots_per_actor < 1:
            raise ConfigurationError(f"storage.slots_per_actor: found {slots_per_actor}; use 1 or more")
        self.slots_per_actor = slots_per_actor
        self.num_slots = num_actors * slots_per_actor
        spaces = as_space(observation_space, "observation_space"), as_space(action_space, "action_space")
        self._specs = trajectory_specs(*spaces, rollout_length, envs_per_actor, state_spec)
        self._layout = _slot_layout(self._specs)
        # one block: a process can hand a few hundred descriptors to another one, and there may be more slots
        paths = [(index, path) for index in range(self.num_slots) for path in self._layout]
        self._slab = Slab({f"{index}/{path}": self._layout[path] for index, path in paths}, shared)
        self._batches: dict[int, Trajectory] = {}

    def slot(self, index: int) -> Slot:
        tensors = {path: self._slab.tensors[f"{index}/{path}"] for path in self._layout}
        values = {f.name: unflatten(getattr(self._specs, f.name), tensors, f.name) for f in fields(Trajectory)}
        return Slot(
            index=index,
            actor=index // self.slots_per_actor,
            sequence=0,
            trajectory=Trajectory(**values),
            episode_return=tensors["episode_return"],
            episode_length=tensors["episode_length"],
            seconds=tensors["seconds"],
            processor_seconds=tensors["processor_seconds"],
        )

    def batch(self, slots: Sequence[Slot], out: Trajectory | None = None) -> Trajectory:
        if out is None:
            if len(slots) not in self._batches:
                self._batches[len(slots)] = _empty_like(slots[0].trajectory)
            out = self._batches[len(slots)]
        return concatenate([slot.trajectory for slot in slots], out)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_batches": {}}


def _slot_layout(specs: Trajectory) -> dict[str, TensorSpec]:
    steps_and_envs = specs.reward.shape
    layout = {path: spec for f in fields(specs) for path, spec in named_leaves(getattr(specs, f.name), f.name)}
    layout["episode_return"] = TensorSpec(tuple(steps_and_envs), torch.float64)
    layout["episode_length"] = TensorSpec(tuple(steps_and_envs), torch.int64)
    layout["seconds"] = TensorSpec((len(Activity),), torch.float64)
    layout["processor_seconds"] = TensorSpec((1,), torch.float64)
    return layout


def _empty_like(example: Trajectory) -> Trajectory:
    return Trajectory(
        **{f.name: map_nest(lambda x: x.new_empty(0), getattr(example, f.name)) for f in fields(Trajectory)}
    )
