"""Random trajectories, as actors write them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.slab import TensorSpec
from hsuanwu.common.spaces import Space, SpaceLike, as_space
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.testing.encoder import random_observation

_END_PROBABILITY = 0.4


def random_trajectory(
    observation_space: SpaceLike,
    action_space: SpaceLike,
    num_steps: int = 7,
    num_envs: int = 3,
    state_spec: Nest = (),
    seed: int = 0,
) -> Trajectory:
    """Return random experience in which episodes end and begin as ``hsuanwu.common.trajectory`` says.

    Args:
        observation_space: what one observation looks like.
        action_space: what one action looks like.
        num_steps: T.
        num_envs: B.
        state_spec: nest of ``TensorSpec``, the recurrent state of one environment, as ``Policy.state_spec``.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    observation = _rows(as_space(observation_space, "observation_space"), num_steps + 1, num_envs, seed)
    action = _rows(as_space(action_space, "action_space"), num_steps, num_envs, seed + 1)
    is_first, terminated, truncated, valid = _episodes(num_steps, num_envs, rng)
    reward = torch.where(valid, _normal((num_steps, num_envs), rng), 0.0)
    return Trajectory(
        observation=observation,
        is_first=is_first,
        last_action=_shifted(action, is_first),
        last_reward=_shifted(reward, is_first),
        action=action,
        log_prob=-torch.from_numpy(rng.uniform(0.5, 2, (num_steps, num_envs)).astype(np.float32)),
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        valid=valid,
        init_state=map_nest(lambda spec: _state(spec, num_envs, rng), state_spec),
        policy_version=torch.arange(num_envs),
    )


def _rows(space: Space, num_rows: int, num_envs: int, seed: int) -> Nest:
    flat = random_observation(space, num_rows * num_envs, seed)
    return map_nest(lambda x: x.unflatten(0, (num_rows, num_envs)), flat)


def _episodes(num_steps: int, num_envs: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return when episodes begin, terminate and are truncated, and which rows are valid."""
    is_first = torch.zeros(num_steps + 1, num_envs, dtype=torch.bool)
    terminated, truncated, valid = (torch.zeros(num_steps, num_envs, dtype=torch.bool) for _ in range(3))
    is_first[0] = torch.from_numpy(rng.random(num_envs) < 0.5)
    has_ended = torch.zeros(num_envs, dtype=torch.bool)
    for t in range(num_steps):
        valid[t], is_first[t + 1] = ~has_ended, has_ended
        ends = valid[t] & torch.from_numpy(rng.random(num_envs) < _END_PROBABILITY)
        terminated[t] = ends & torch.from_numpy(rng.random(num_envs) < 0.5)
        truncated[t] = ends & ~terminated[t]
        has_ended = ends
    return is_first, terminated, truncated, valid


def _shifted(x: Tensor, is_first: Tensor) -> Tensor:
    """Return what led to each row: ``x`` of the row before, zeros where an episode begins."""
    before = torch.cat([x[-1:], x])
    return torch.where(is_first.reshape(*is_first.shape, *[1] * (x.dim() - 2)), torch.zeros_like(before), before)


def _state(spec: TensorSpec, num_envs: int, rng: np.random.Generator) -> Tensor:
    return _normal((num_envs, *spec.shape), rng).to(spec.dtype)


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
