"""The actor: a generator that fills slots with what its environments do under the latest weights."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.protocols import EnvFactory, Step, VectorEnv
from hsuanwu.common.seeding import derive_seed, make_generator
from hsuanwu.common.slot import Activity, Slot
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.runtime.stopwatch import Stopwatch
from hsuanwu.runtime.transport.base import ActorEnd
from hsuanwu.xploit.policy.base import Policy


class Actor:
    """What every actor of a run does; can be pickled, and builds its environments where it runs.

    Args:
        env_factory: builds the environments.
        policy: acts; each actor works on a copy of its own, with the weights that the transport brings.
        num_envs: B, environments stepped together with one forward pass.
        rollout_length: T, steps of each environment in a slot.
        seed: seed of the run; each actor derives streams of its own from it.
    """

    def __init__(self, env_factory: EnvFactory, policy: Policy, num_envs: int, rollout_length: int, seed: int) -> None:
        self.env_factory, self.policy = env_factory, policy
        self.num_envs, self.rollout_length, self.seed = num_envs, rollout_length, seed

    def run(self, end: ActorEnd, index: int) -> Iterator[None]:
        """Fill slots as actor ``index``; yields after each, returns when ``end.acquire`` gives None."""
        env = self.env_factory(self.num_envs)
        try:
            rollout = _Rollout(env, copy.deepcopy(self.policy).eval(), self.rollout_length, self.seed, index)
            while rollout.fill_next(end):
                yield
        finally:
            env.close()

    def __getstate__(self) -> dict[str, Any]:
        # torch would share the weights with the other process; a copy by value is wanted
        policy = io.BytesIO()
        torch.save(self.policy, policy)
        return {**self.__dict__, "policy": policy.getvalue()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.policy = torch.load(io.BytesIO(state["policy"]), weights_only=False)


class _Rollout:
    """Environments, policy, and what is carried from one slot to the next."""

    def __init__(self, env: VectorEnv, policy: Policy, num_steps: int, seed: int, index: int) -> None:
        self._env, self._policy, self._num_steps = env, policy, num_steps
        self._generator = make_generator(derive_seed(seed, "actor", index, "policy"))
        self._version = -1
        self._stopwatch = Stopwatch()
        self._views: dict[int, Trajectory] = {}
        num_envs = env.num_envs
        self._first_row: tuple[Nest, ...] = (
            env.reset(derive_seed(seed, "actor", index, "environment")),
            np.ones(num_envs, bool),
            np.zeros((num_envs, *env.action_space.shape), env.action_space.dtype),
            np.zeros(num_envs, np.float32),
        )
        self._state = policy.init_state(num_envs)
        self._has_ended = np.zeros(num_envs, bool)
        self._episode_return = np.zeros(num_envs)
        self._episode_length = np.zeros(num_envs, np.int64)

    def fill_next(self, end: ActorEnd) -> bool:
        """Fill one slot with the latest weights and commit it; False where there shall be no more."""
        slot = end.acquire()
        self._stopwatch.lap(Activity.WAITING)
        if slot is None:
            return False
        weights = end.weights(self._version)
        if weights is not None:
            self._policy.load_state_dict(weights.tensors)
            self._version = weights.version
        self._fill(slot)
        self._stopwatch.lap(Activity.OTHER)
        slot.seconds.copy_(torch.from_numpy(self._stopwatch.read()))
        end.commit(slot)
        return True

    @torch.inference_mode()
    def _fill(self, slot: Slot) -> None:
        trajectory, rows = slot.trajectory, self._rows(slot)
        trajectory.policy_version.fill_(self._version)
        map_nest(lambda target, x: target.copy_(x), trajectory.init_state, self._state)
        slot.episode_return.zero_()
        slot.episode_length.zero_()
        map_nest(lambda target, x: np.copyto(target[0], x), _seen(rows), self._first_row)
        for t in range(self._num_steps):
            self._stopwatch.lap(Activity.OTHER)
            self._act(trajectory, t)
            self._stopwatch.lap(Activity.INFERENCE)
            result = self._env.step(rows.action[t])
            self._stopwatch.lap(Activity.ENVIRONMENT)
            self._record(rows, t, result)
            self._count_episodes(slot, t, result)
        self._first_row = map_nest(lambda x: x[-1].copy(), _seen(rows))

    def _act(self, trajectory: Trajectory, t: int) -> None:
        observation, is_first, last_action, last_reward = map_nest(lambda x: x[t], _seen(trajectory))
        step = self._policy.act(observation, is_first, last_action, last_reward, self._state, self._generator)
        trajectory.action[t] = step.action
        trajectory.log_prob[t] = step.log_prob
        self._state = step.state

    def _record(self, rows: Any, t: int, result: Step) -> None:
        """Write the outcome of the action of row t, and what is seen in the row after it."""
        is_first = self._has_ended
        self._has_ended = result.terminated | result.truncated
        np.logical_not(is_first, out=rows.valid[t])
        rows.reward[t], rows.terminated[t], rows.truncated[t] = result.reward, result.terminated, result.truncated
        map_nest(lambda target, x: np.copyto(target[t + 1], x), rows.observation, result.observation)
        rows.is_first[t + 1] = is_first
        rows.last_action[t + 1] = rows.action[t]
        rows.last_reward[t + 1] = rows.reward[t]
        if is_first.any():
            rows.last_action[t + 1, is_first] = 0
            rows.last_reward[t + 1, is_first] = 0

    def _count_episodes(self, slot: Slot, t: int, result: Step) -> None:
        """Keep returns and lengths, raw and undiscounted, and write those of the episodes that ended."""
        self._episode_return += result.reward
        self._episode_length += slot.trajectory.valid[t].numpy()
        if self._has_ended.any():
            ended = self._has_ended
            slot.episode_return[t] = torch.from_numpy(self._episode_return * ended)
            slot.episode_length[t] = torch.from_numpy(self._episode_length * ended)
            self._episode_return[ended] = 0
            self._episode_length[ended] = 0

    def _rows(self, slot: Slot) -> Any:
        """Return the slot's trajectory as numpy arrays over the same memory."""
        if slot.index not in self._views:
            self._views[slot.index] = slot.trajectory.map(lambda x: x.numpy())
        return self._views[slot.index]


def _seen(trajectory: Trajectory) -> tuple[Nest, ...]:
    """Return what a policy sees, ``[T + 1, ...]`` leaves."""
    return trajectory.observation, trajectory.is_first, trajectory.last_action, trajectory.last_reward
