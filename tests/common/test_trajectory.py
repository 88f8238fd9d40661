from dataclasses import asdict, fields, replace

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import leaves, map_nest
from hsuanwu.common.slab import TensorSpec
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiDiscrete
from hsuanwu.common.trajectory import Trajectory, as_trajectory, concatenate, trajectory_specs
from hsuanwu.testing.trajectory import random_trajectory

T, B = 5, 3
OBSERVATIONS = Dict({"camera": Box(0, 255, (2, 4, 4), "uint8"), "speed": Box(-1, 1, (3,))})
ACTIONS = MultiDiscrete([2, 3])
STATE = (TensorSpec((4,), torch.float32), {"count": TensorSpec((), torch.int64)})


def example(seed=0, num_envs=B):
    return random_trajectory(OBSERVATIONS, ACTIONS, T, num_envs, STATE, seed)


def mapping(trajectory, *left_out):
    return {f.name: getattr(trajectory, f.name) for f in fields(trajectory) if f.name not in left_out}


def assert_equal(found, expected):
    for f in fields(Trajectory):
        pairs = zip(leaves(getattr(found, f.name)), leaves(getattr(expected, f.name)), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs), f.name


def test_a_trajectory_is_taken_as_it_is():
    trajectory = example()
    assert as_trajectory(trajectory) is trajectory
    assert (trajectory.num_steps, trajectory.num_envs) == (T, B)


def test_a_mapping_of_all_fields():
    assert_equal(as_trajectory(mapping(example())), example())


def test_what_a_mapping_may_leave_out():
    trajectory = as_trajectory(mapping(example(), "valid", "init_state", "policy_version"))
    assert trajectory.valid.shape == (T, B) and trajectory.valid.dtype == torch.bool and trajectory.valid.all()
    assert trajectory.init_state == ()
    assert trajectory.policy_version.tolist() == [0] * B and trajectory.policy_version.dtype == torch.int64


@pytest.mark.parametrize("name", [f.name for f in fields(Trajectory)])
def test_fields_that_are_missing_or_misspelt(name):
    if name not in ("valid", "init_state", "policy_version"):
        with pytest.raises(ConfigurationError, match=rf"^batch: missing fields \['{name}'\], unknown fields \[\]; a "):
            as_trajectory(mapping(example(), name))
    with pytest.raises(ConfigurationError, match=rf"unknown fields \['{name}s'\]; a trajectory has observation, "):
        as_trajectory(mapping(example()) | {f"{name}s": torch.zeros(2)})


@pytest.mark.parametrize("name", ["observation", "reward", "action", "init_state"])
def test_fields_that_are_no_tensors(name):
    arrays = map_nest(lambda x: x.numpy(), getattr(example(), name))
    with pytest.raises(ConfigurationError, match=rf"^batch.{name}: found ndarray, expected torch.Tensor"):
        as_trajectory(mapping(example()) | {name: arrays})


def test_no_state_may_be_none():
    assert as_trajectory(mapping(example()) | {"init_state": None}).init_state == ()


@pytest.mark.parametrize("name", ["reward", "log_prob"])
def test_numbers_that_are_no_floats(name):
    with pytest.raises(ConfigurationError, match=rf"^batch.{name}: found dtype torch.int64, expected torch.float32"):
        as_trajectory(replace(example(), **{name: torch.ones(T, B, dtype=torch.int64)}))


def swapped(x):
    return x.transpose(0, 1)


@pytest.mark.parametrize("name", [f.name for f in fields(Trajectory) if f.name not in ("init_state", "policy_version")])
@pytest.mark.parametrize("change", [swapped, lambda x: x[:-1], lambda x: x[:, :-1]], ids=["swapped", "rows", "envs"])
@pytest.mark.parametrize("form", [lambda x: x, mapping], ids=["trajectory", "mapping"])
def test_rows_that_do_not_fit(name, change, form):
    trajectory = example()
    wrong = replace(trajectory, **{name: map_nest(change, getattr(trajectory, name))})
    with pytest.raises(ConfigurationError) as caught:
        as_trajectory(form(wrong))
    message = str(caught.value)
    assert "\n" not in message and "found shape" in message and "expected" in message
    if name != "reward":
        assert message.startswith(f"batch.{name}: ")


@pytest.mark.parametrize("reward", [torch.zeros(T), torch.zeros(()), torch.zeros(T, B, 1), torch.zeros(0, B)])
def test_rewards_give_the_number_of_rows(reward):
    with pytest.raises(ConfigurationError, match=r"^batch.reward: found shape .*, expected \[T, B\]"):
        as_trajectory(replace(example(), reward=reward))


@pytest.mark.parametrize("name", ["is_first", "terminated", "truncated", "valid"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_flags_are_bool(name, dtype):
    """A uint8 flag would be inverted bit by bit: ~1 is 254, and 254 is true."""
    trajectory = example()
    wrong = replace(trajectory, **{name: getattr(trajectory, name).to(dtype)})
    with pytest.raises(ConfigurationError, match=rf"^batch.{name}: found dtype {dtype}, expected torch.bool$"):
        as_trajectory(wrong)


def test_specs():
    specs = trajectory_specs(OBSERVATIONS, ACTIONS, T, B, STATE)
    found = random_trajectory(OBSERVATIONS, ACTIONS, T, B, STATE).map(lambda x: TensorSpec(tuple(x.shape), x.dtype))
    assert asdict(specs) == asdict(found)
    assert specs.observation["camera"] == TensorSpec((T + 1, B, 2, 4, 4), torch.uint8)
    assert specs.last_action == TensorSpec((T + 1, B, 2), torch.int64)
    assert specs.action == TensorSpec((T, B, 2), torch.int64)
    assert specs.terminated == specs.valid == TensorSpec((T, B), torch.bool)
    assert specs.init_state == (TensorSpec((B, 4), torch.float32), {"count": TensorSpec((B,), torch.int64)})
    assert specs.policy_version == TensorSpec((B,), torch.int64)
    assert trajectory_specs(Discrete(2), Discrete(3), T, B).init_state == ()


def test_concatenate_puts_environments_side_by_side():
    first, second = example(1, num_envs=2), example(2, num_envs=3)
    empty = first.map(lambda x: x.new_empty(0))
    out = concatenate([first, second], empty)
    assert out is empty and (out.num_steps, out.num_envs) == (T, 5)
    assert_equal(as_trajectory(out), out)
    for b, (source, column) in enumerate([(first, 0), (first, 1), (second, 0), (second, 1), (second, 2)]):
        for name in ("reward", "is_first", "last_action", "action", "valid"):
            assert torch.equal(getattr(out, name)[:, b], getattr(source, name)[:, column]), name
        assert torch.equal(out.observation["camera"][:, b], source.observation["camera"][:, column])
        assert torch.equal(out.init_state[0][b], source.init_state[0][column])
        assert torch.equal(out.init_state[1]["count"][b], source.init_state[1]["count"][column])
        assert out.policy_version[b] == source.policy_version[column]


def test_concatenate_fills_what_is_there_and_copies():
    first, second = example(1), example(2)
    out = concatenate([first, second], first.map(lambda x: x.new_empty(0)))
    pointers = [leaf.data_ptr() for leaf in leaves(mapping(out))]
    concatenate([second, first], out)
    assert pointers == [leaf.data_ptr() for leaf in leaves(mapping(out))]
    expected = out.reward.clone()
    second.reward.zero_()
    assert torch.equal(out.reward, expected)


def test_map_and_to():
    trajectory = example()
    assert trajectory.to(torch.device("cpu")) is trajectory
    there = trajectory.to(torch.device("meta"))
    assert {leaf.device.type for leaf in leaves(mapping(there))} == {"meta"}
    mixed = replace(trajectory, reward=trajectory.reward.to("meta"))
    assert mixed.to(torch.device("meta")).observation["speed"].device.type == "meta"
    assert mixed.to(torch.device("meta")).action.device.type == "meta"


def test_only_the_observation_is_there():
    """A mapping may hold frames that are on the device already, and all else that is not."""
    trajectory = example()
    mixed = replace(trajectory, observation=map_nest(lambda x: x.to("meta"), trajectory.observation))
    assert mixed.to(torch.device("meta")).reward.device.type == "meta"
