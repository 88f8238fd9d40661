"""What every vector environment keeps."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np

from hsuanwu.common.nest import Nest, leaves, map_nest
from hsuanwu.common.protocols import Array, EnvFactory, Step, VectorEnv
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiDiscrete, Space
from hsuanwu.env.action import random_action


def check_vector_env(factory: EnvFactory, num_envs: int = 3, num_steps: int = 200, is_random: bool = True) -> None:
    """Assert that the environments of a factory keep the contract of vector environments.

    Observations, rewards and flags have the shapes and dtypes of the spaces; the row after an end is a
    reset (reward 0, no flags) whatever the action; the same seed gives the same stream, in the same
    environment and in another; different seeds give different ones; closing twice does no harm.

    Args:
        factory: builds the environments; can be pickled.
        num_envs: B, at least 2.
        num_steps: T; at least one episode must end within so many steps.
        is_random: whether different seeds are expected to differ.
    """
    factory = pickle.loads(pickle.dumps(factory))
    env, other = factory(num_envs), factory(num_envs)
    _check_form(env, num_envs)
    actions = [random_action(env.action_space, num_envs, seed) for seed in range(num_steps)]
    rows = _play(env, 1, actions)
    ended = _check_resets(rows)
    assert ended.any(), f"no episode ended within {num_steps} steps, so that resets were not checked"
    _check_same(rows, _play(env, 1, actions), "reset with the same seed did not start the same stream")
    _check_same(rows, _play(other, 1, actions), "another environment with the same seed gave another stream")
    ignored = _with_other_actions(actions, ended, env.action_space)
    _check_same(rows, _play(other, 1, ignored), "an action was not ignored on the step after an end")
    if is_random:
        seeds = [_flat(_play(env, seed, actions)) for seed in (1, 2, 3, 4)]
        for i, first in enumerate(seeds):
            assert not any(_equal(first, second) for second in seeds[:i]), "different seeds gave the same stream"
    for closed in (env, other):
        closed.close()
        closed.close()


def _check_form(env: VectorEnv, num_envs: int) -> None:
    assert isinstance(env, VectorEnv), f"{type(env).__name__} lacks a part of VectorEnv"
    assert env.num_envs == num_envs, f"num_envs is {env.num_envs}, asked for were {num_envs}"
    assert isinstance(env.observation_space, Space), "observation_space is no Space"
    assert isinstance(env.action_space, Space), "action_space is no Space"
    _check_batch(env.observation_space, env.reset(seed=0), num_envs)
    step = env.step(random_action(env.action_space, num_envs, 0))
    assert isinstance(step, Step), f"step returned a {type(step).__name__}"
    _check_batch(env.observation_space, step.observation, num_envs)
    assert step.reward.shape == (num_envs,), f"rewards have shape {step.reward.shape}"
    assert step.reward.dtype.kind == "f", f"rewards are {step.reward.dtype}"
    for name, flag in (("terminated", step.terminated), ("truncated", step.truncated)):
        assert flag.shape == (num_envs,), f"{name} has shape {flag.shape}"
        assert flag.dtype == np.bool_, f"{name} is {flag.dtype}"


def _check_batch(space: Space, observation: Nest, num_envs: int) -> None:
    if isinstance(space, Dict):
        assert isinstance(observation, dict), f"an observation of {space} is a {type(observation).__name__}"
        assert list(observation) == list(space.spaces), f"an observation of {space} has {list(observation)}"
        for name, part in space.spaces.items():
            _check_batch(part, observation[name], num_envs)
        return
    assert isinstance(observation, np.ndarray), f"an observation is a {type(observation).__name__}"
    assert observation.shape == (num_envs, *space.shape), f"{space} has observations {observation.shape}"
    assert observation.dtype == space.dtype, f"{space} has observations of {observation.dtype}"
    assert np.isfinite(observation).all(), "an observation is not finite"
    if isinstance(space, Box):
        outside = observation[(observation < space.low) | (observation > space.high)]
        assert not outside.size, f"an observation has {outside.flat[0]:g}, outside the bounds of {space.to_dict()}"
    if isinstance(space, (Discrete, MultiDiscrete)):
        n = space.n if isinstance(space, Discrete) else space.nvec
        assert (observation >= 0).all(), "integers of an observation do not count from 0"
        assert (observation < n).all(), "integers of an observation do not count from 0"


def _play(env: VectorEnv, seed: int, actions: list[Array]) -> list[Step]:
    """Return copies of what the environment answered; the first row is the reset."""
    nothing = np.zeros(env.num_envs)
    no_flag = np.zeros(env.num_envs, np.bool_)
    rows = [Step(map_nest(np.array, env.reset(seed)), nothing, no_flag, no_flag)]
    rows += [_copy(env.step(action)) for action in actions]
    return rows


def _copy(step: Step) -> Step:
    reward, terminated, truncated = (np.array(x) for x in step[1:4])
    return Step(map_nest(np.array, step.observation), reward, terminated, truncated, step.infos)


def _check_resets(rows: list[Step]) -> Array:
    """Check the rows after an end; return which actions ``[T, B]`` ended an episode."""
    ended = np.stack([row.terminated | row.truncated for row in rows])
    for before, row in zip(ended[:-1], rows[1:], strict=True):
        assert not row.reward[before].any(), "a reward is not 0 on the step after an end"
        assert not row.terminated[before].any(), "terminated on the step after an end"
        assert not row.truncated[before].any(), "truncated on the step after an end"
    return ended[1:]


def _with_other_actions(actions: list[Array], ended: Array, space: Space) -> list[Array]:
    changed = [np.array(action) for action in actions]
    for t in range(1, len(actions)):
        others = random_action(space, len(ended[t]), 1000 + t)
        changed[t][ended[t - 1]] = others[ended[t - 1]]
    return changed


def _flat(rows: list[Step]) -> list[Array]:
    return [leaf for row in rows for part in row for leaf in leaves(part)]


def _check_same(rows: list[Step], others: list[Step], message: str) -> None:
    assert _equal(_flat(rows), _flat(others)), message


def _equal(first: list[Array], second: list[Array]) -> bool:
    equal: Callable[[Array, Array], bool] = np.array_equal
    return all(equal(a, b) for a, b in zip(first, second, strict=True))
