"""What every policy keeps."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hsuanwu.common.nest import Nest, leaves, map_nest
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.testing.trajectory import random_trajectory
from hsuanwu.xploit.policy.base import Policy

_TOLERANCE = 1e-5


def check_policy(policy: Policy, observation_space: SpaceLike, seed: int = 0) -> None:
    """Assert that a policy keeps the contract of policies.

    What ``unroll`` makes of a trajectory is what ``act`` made row by row, wherever episodes begin; a state is
    reset before the first row of an episode is consumed, and what led there does not count; environments do not
    see each other; every parameter learns; the policy survives ``pickle``, ``deepcopy`` and ``state_dict``.

    Args:
        policy: any policy, without augmentation; its gradients are overwritten.
        observation_space: what it looks at.
        seed: of the random trajectories.
    """
    spaces = observation_space, policy.distribution.action_space
    trajectory = random_trajectory(*spaces, state_spec=policy.state_spec, seed=seed)
    is_training = policy.training
    policy.eval()
    _check_init_state(policy)
    for is_first in _episode_beginnings(trajectory.is_first, seed):
        check_zero_lag(policy, replace(trajectory, is_first=is_first))
    _check_reset(policy, trajectory)
    _check_act(policy, trajectory, seed)
    _check_environments(policy, trajectory)
    _check_copies(policy, trajectory)
    policy.train()
    _check_gradients(policy, trajectory, seed)
    policy.train(is_training)


@torch.no_grad()
def check_zero_lag(policy: Policy, trajectory: Trajectory) -> None:
    """Assert that ``unroll`` gives the parameters and values that acting row by row gives.

    With the weights that acted, the importance ratios are then all 1.

    Args:
        policy: any policy whose ``unroll`` is not random.
        trajectory: what it saw, ``init_state`` included.
    """
    kept = trajectory.map(torch.clone)
    params, values = policy.unroll(*_seen(trajectory), trajectory.init_state)
    rows = trajectory.num_steps + 1, trajectory.num_envs
    assert params.shape == (*rows, policy.distribution.num_params), f"params have shape {tuple(params.shape)}"
    assert values.shape == rows, f"values have shape {tuple(values.shape)}"
    assert values.dtype == torch.float32, f"values are {values.dtype}"
    state = trajectory.init_state
    for t in range(rows[0]):
        row_params, next_state = policy.step_params(*_seen(trajectory, t), state)
        row = policy.unroll(*_seen(trajectory, slice(t, t + 1)), state)
        _assert_close(row_params, params[t], f"row {t}: unroll gives other params than step_params")
        _assert_close(row.params[0], params[t], f"row {t}: unroll gives other params for the row alone")
        _assert_close(row.values[0], values[t], f"row {t}: unroll gives another value for the row alone")
        state = next_state
    for before, after in zip(_tensors(kept), _tensors(trajectory), strict=True):
        is_same = torch.equal(before.nan_to_num(), after.nan_to_num())
        assert is_same, "the policy changed its trajectory"


def _episode_beginnings(is_first: Tensor, seed: int) -> list[Tensor]:
    """Return several ways in which episodes may begin, the one that is given among them."""
    random = torch.rand(is_first.shape, generator=torch.Generator().manual_seed(seed)) < 0.4
    return [is_first, random, torch.zeros_like(is_first), torch.ones_like(is_first)]


def _check_init_state(policy: Policy) -> None:
    specs = list(leaves(policy.state_spec))
    zeros = list(leaves(policy.init_state(3)))
    assert specs or policy.init_state(3) == (), "without recurrence the state is ()"
    for spec, leaf in zip(specs, zeros, strict=True):
        assert leaf.shape == (3, *spec.shape) and leaf.dtype == spec.dtype, f"state_spec says {spec}"
        assert not leaf.any(), "an episode begins with zeros"


@torch.no_grad()
def _check_reset(policy: Policy, trajectory: Trajectory) -> None:
    """Where an episode begins, nothing from before counts; where none does, the state does."""
    observation, is_first, last_action, last_reward = _seen(trajectory, 0)
    begins, fresh, old = torch.ones_like(is_first), policy.init_state(trajectory.num_envs), trajectory.init_state
    expected = policy.step_params(observation, begins, torch.zeros_like(last_action), last_reward * 0, fresh)
    found = policy.step_params(observation, begins, trajectory.action[0], last_reward + 1, old)
    for before, after in zip(leaves(expected), leaves(found), strict=True):
        _assert_close(after, before, "something from before an episode is seen in its first row")
    if not list(leaves(policy.state_spec)):
        return
    seen = observation, ~begins, last_action, last_reward
    for index, _ in enumerate(leaves(old)):
        other = _with_leaf(old, fresh, index)
        params, other_params = (policy.step_params(*seen, state)[0] for state in (old, other))
        assert not torch.allclose(params, other_params), f"part {index} of the state has no effect"


def _with_leaf(state: Nest, other: Nest, index: int) -> Nest:
    """Return ``state`` with the leaf of that index from ``other``."""
    count = iter(range(len(list(leaves(state)))))
    return map_nest(lambda ours, theirs: theirs if next(count) == index else ours, state, other)


@torch.no_grad()
def _check_act(policy: Policy, trajectory: Trajectory, seed: int) -> None:
    distribution, spec = policy.distribution, policy.distribution.action_space.tensor_spec()
    row = (*_seen(trajectory, 0), trajectory.init_state)
    params, state = policy.step_params(*row)
    random_state = torch.get_rng_state()
    for deterministic in (False, True):
        step = policy.act(*row, torch.Generator().manual_seed(seed), deterministic)
        drawn = distribution.sample(params, torch.Generator().manual_seed(seed))
        expected = distribution.mode(params) if deterministic else drawn
        assert torch.equal(step.action, expected), "act does not take what the distribution gives"
        assert step.action.shape == (trajectory.num_envs, *spec.shape), f"actions are {tuple(step.action.shape)}"
        assert step.action.dtype == spec.dtype, f"actions are {step.action.dtype}"
        assert step.log_prob.dtype == torch.float32, f"log_probs are {step.log_prob.dtype}"
        _assert_close(step.log_prob, distribution.log_prob(params, step.action), "log_prob is that of another action")
        for found, after in zip(leaves(step.state), leaves(state), strict=True):
            _assert_close(found, after, "act does not go on with the state after the row")
    assert torch.equal(random_state, torch.get_rng_state()), "act touched the global generator"


@torch.no_grad()
def _check_environments(policy: Policy, trajectory: Trajectory) -> None:
    params, values = policy.unroll(*_seen(trajectory), trajectory.init_state)
    for b in range(trajectory.num_envs):
        seen = _seen(trajectory, (slice(None), slice(b, b + 1)))
        alone = policy.unroll(*seen, map_nest(lambda x, b=b: x[b : b + 1], trajectory.init_state))
        _assert_close(alone.params[:, 0], params[:, b], "environments see each other")
        _assert_close(alone.values[:, 0], values[:, b], "environments see each other")


@torch.no_grad()
def _check_copies(policy: Policy, trajectory: Trajectory) -> None:
    params, values = policy.unroll(*_seen(trajectory), trajectory.init_state)
    blank = copy.deepcopy(policy)
    for parameter in blank.parameters():
        parameter.zero_()
    blank.load_state_dict(policy.state_dict())
    ours = {parameter.data_ptr() for parameter in policy.parameters()}
    for twin in (copy.deepcopy(policy), pickle.loads(pickle.dumps(policy)), blank):
        found = twin.unroll(*_seen(trajectory), trajectory.init_state)
        assert torch.equal(found.params, params) and torch.equal(found.values, values), "a copy acts differently"
        assert ours.isdisjoint(parameter.data_ptr() for parameter in twin.parameters()), "a copy shares parameters"


def _check_gradients(policy: Policy, trajectory: Trajectory, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    policy.zero_grad()
    params, values = policy.unroll(*_seen(trajectory), trajectory.init_state)
    weights = [torch.randn(x.shape, generator=generator) for x in (params, values)]
    ((params * weights[0]).sum() + (values * weights[1]).sum()).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"
    policy.zero_grad()


def _seen(trajectory: Trajectory, part: Any = ...) -> tuple[Nest, Tensor, Tensor, Tensor]:
    """Return what the policy sees, or a part of it: a row, rows, or rows and environments."""
    everything = trajectory.observation, trajectory.is_first, trajectory.last_action, trajectory.last_reward
    return map_nest(lambda x: x[part], everything)


def _tensors(trajectory: Trajectory) -> list[Tensor]:
    return [*leaves((*_seen(trajectory), trajectory.init_state))]


def _assert_close(found: Tensor, expected: Tensor, message: str) -> None:
    torch.testing.assert_close(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE, msg=message)
