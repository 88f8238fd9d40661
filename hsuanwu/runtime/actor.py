"""The actor: a generator that fills slots with what its environments do under the latest weights."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from hsuanwu.common.closing import close_all
from hsuanwu.common.errors import EnvironmentFault
from hsuanwu.common.process_settings import ProcessSettings, seed_global_generators
from hsuanwu.common.processor import busy_seconds
from hsuanwu.common.protocols import EnvFactory, VectorEnv
from hsuanwu.common.seeding import derive_seed, make_generator
from hsuanwu.common.slot import Activity, Slot, sum_outcomes
from hsuanwu.runtime.group import Group
from hsuanwu.runtime.slot_view import SlotView
from hsuanwu.runtime.stepper import Stepper, make_stepper
from hsuanwu.runtime.stopwatch import Stopwatch
from hsuanwu.runtime.transport.base import ActorEnd
from hsuanwu.xploit.policy.base import Policy

MOST_STREAMS = 32
"""Streams that torch has for one device and priority; a further one would be one of them again."""


class Actor:
    """What every actor of a run does; can be pickled, and builds its environments where it runs.

    Args:
        env_factory: builds the environments.
        policy: acts; each actor works on a copy of its own, with the weights that the transport brings.
        num_envs: B, environments that an actor steps.
        rollout_length: T, steps of each environment in a slot.
        seed: seed of the run; each actor derives streams of its own from it.
        overlap: double-buffered sampling: the environments are two groups, and while one steps, the other one's
            actions are inferred. Without it all are stepped together, with one forward pass.
        device: where actions are inferred; one that other processes have no share in.
        stagger_steps: above 0, environments begin with less than so many random actions, another number each, so that
            episodes of one length do not all end together.
    """

    def __init__(
        self,
        env_factory: EnvFactory,
        policy: Policy,
        num_envs: int,
        rollout_length: int,
        seed: int,
        overlap: bool = False,
        device: torch.device | str = "cpu",
        stagger_steps: int = 0,
    ) -> None:
        self.env_factory, self.policy = env_factory, policy
        self.num_envs, self.rollout_length, self.seed = num_envs, rollout_length, seed
        self.overlap, self.device = overlap and num_envs > 1, torch.device(device)
        self.stagger_steps = stagger_steps

    def run(self, end: ActorEnd, index: int) -> Iterator[None]:
        """Fill slots as actor ``index``; yields after each, returns when ``end.acquire`` gives None.

        Raises:
            EnvironmentFault: if an environment fails.
        """
        seed_global_generators(derive_seed(self.seed, "actor", index))
        policy = copy.deepcopy(self.policy).eval().to(self.device)
        rollout = _Rollout(policy, self.rollout_length, derive_seed(self.seed, "actor", index, "policy"))
        settings = ProcessSettings()
        try:
            for number, size in enumerate(self._group_sizes()):
                seed = derive_seed(self.seed, "actor", index, "environment", *[number] * bool(number))
                try:
                    rollout.add(self.env_factory(size), seed, self.overlap, self.stagger_steps)
                finally:
                    settings.restore()
            while rollout.fill_next(end):
                yield
        except EnvironmentFault as fault:
            fault.place = f"actor {index}"
            raise
        finally:
            rollout.close()

    def _group_sizes(self) -> list[int]:
        half = self.num_envs // 2
        return [self.num_envs - half, half] if self.overlap else [self.num_envs]

    def __getstate__(self) -> dict[str, Any]:
        # torch would share the weights with the other process; a copy by value is wanted
        policy = io.BytesIO()
        torch.save(self.policy, policy)
        return {**self.__dict__, "policy": policy.getvalue()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.policy = torch.load(io.BytesIO(state["policy"]), weights_only=False)


class _Rollout:
    """Policy and environments, and the loop over the rows of a slot."""

    def __init__(self, policy: Policy, num_steps: int, seed: int) -> None:
        self._policy, self._num_steps = policy, num_steps
        device = next((weight.device for weight in policy.parameters()), "cpu")
        self._generator = make_generator(seed, device)
        # of its own, or it would wait for all that the learner has asked the device to do; and ahead of it
        self._stream = torch.cuda.Stream(device, priority=-1) if torch.device(device).type == "cuda" else None
        self._groups: list[Group] = []
        self._steppers: list[Stepper] = []
        self._envs: list[VectorEnv] = []
        self._views: dict[int, list[SlotView]] = {}
        self._version = -1
        self._stopwatch, self._processor_seconds = Stopwatch(), busy_seconds()

    def add(self, env: VectorEnv, seed: int, overlap: bool, stagger_steps: int) -> None:
        """Take environments over: from now on they are closed with the rollout."""
        self._steppers.append(make_stepper(env, overlap))
        self._envs.append(env)
        with self._on_stream():
            try:
                self._groups.append(Group(env, self._policy, seed, stagger_steps))
            except EnvironmentFault as fault:
                self._count_in_actor(fault, len(self._groups))
                raise

    def _count_in_actor(self, fault: EnvironmentFault, group: int) -> None:
        """Let a fault of a group name its environment by the number that it has in the actor."""
        if fault.index is not None:
            fault.index += sum(env.num_envs for env in self._envs[:group])

    def fill_next(self, end: ActorEnd) -> bool:
        """Fill one slot with the latest weights and commit it; False where there shall be no more."""
        slot = end.acquire()
        self._stopwatch.lap(Activity.WAITING)
        if slot is None:
            return False
        with self._on_stream():
            weights = end.weights(self._version)
            if weights is not None:
                weights.load_into(self._policy)
                self._version = weights.version
            self._fill(slot)
        self._stopwatch.lap(Activity.TRANSPORT)
        slot.seconds.copy_(torch.from_numpy(self._stopwatch.read()))
        before, self._processor_seconds = self._processor_seconds, busy_seconds()
        slot.processor_seconds.fill_(self._processor_seconds - before)
        end.commit(slot)
        return True

    def _on_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    @torch.inference_mode()
    def _fill(self, slot: Slot) -> None:
        lanes = list(zip(self._groups, self._steppers, self._view(slot), strict=True))
        lap = self._stopwatch.lap
        for group, _, view in lanes:
            group.begin(view, self._version)
        for t in range(self._num_steps + 1):
            for number, (group, stepper, view) in enumerate(lanes):
                try:
                    if t > 0:
                        lap(Activity.TRANSPORT)
                        result = stepper.receive()
                        lap(Activity.ENVIRONMENT)
                        group.record(view, t - 1, result)
                    if t < self._num_steps:
                        lap(Activity.TRANSPORT)
                        action = group.act(view, t, self._generator)
                        lap(Activity.INFERENCE)
                        stepper.send(action, view.next_observation[t])
                        lap(Activity.ENVIRONMENT)
                except EnvironmentFault as fault:
                    self._count_in_actor(fault, number)
                    raise
        for group, _, view in lanes:
            group.finish(view)
        slot.outcomes = sum_outcomes(view.outcomes for _, _, view in lanes)

    def _view(self, slot: Slot) -> list[SlotView]:
        """Return the columns of each group, side by side."""
        if slot.index not in self._views:
            start, views = 0, []
            for group in self._groups:
                views.append(SlotView(slot, start, group.env.num_envs))
                start += group.env.num_envs
            self._views[slot.index] = views
        return self._views[slot.index]

    def close(self) -> None:
        """Close the environments, even if one of them raises; then that is raised."""
        close_all([*self._envs, *self._steppers])
