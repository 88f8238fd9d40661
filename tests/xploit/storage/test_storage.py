"""Every registered storage keeps the contract; slots and batches have the shapes of the trajectory's table."""

import copy

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import map_nest
from hsuanwu.common.registry import options
from hsuanwu.common.slab import TensorSpec
from hsuanwu.common.slot import Activity
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.common.trajectory import concatenate
from hsuanwu.testing.storage import check_shared_storage, check_slot, check_storage, fill_slot
from hsuanwu.xploit.storage import TrajectoryStorage

T, B, ACTORS = 5, 3, 2
STATE = (TensorSpec((4,), torch.float32), TensorSpec((4,), torch.float32))
FRAMES = Box(0, 255, (2, 4, 4), "uint8")
TORQUES = Box(-1, 1, (2,))
NESTED = Dict({"a/b": FRAMES, "a": Dict({"b": Box(-1, 1, (2,)), "none": Box(-1, 1, (0,))})})
CASES = [
    (Box(-1, 1, (4,)), Discrete(3, start=2), ()),
    (FRAMES, TORQUES, STATE),
    (NESTED, MultiDiscrete([2, 3]), {"memory": STATE[0], "counts": (TensorSpec((), torch.int64),)}),
    (Box(0, 9, (3,), "uint16"), MultiBinary((2, 2)), ()),
]


def make(name, observation_space=FRAMES, action_space=TORQUES, state_spec=STATE, shared=False, **options_):
    return options("storage")[name](observation_space, action_space, T, B, ACTORS, state_spec, shared, **options_)


@pytest.fixture(params=options("storage"))
def name(request):
    return request.param


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case[1]).__name__)
def test_contract(name, case):
    check_storage(make(name, *case))


def test_slots_are_the_same_memory_in_a_spawned_process(name):
    check_shared_storage(make(name, *CASES[2], shared=True))


def test_a_private_storage_is_not_seen_to_be_shared(name):
    """What the check above catches: a copy of the slots keeps what was written to the original."""
    storage = make(name)
    twin = copy.deepcopy(storage)
    fill_slot(twin.slot(0), 7)
    check_slot(twin.slot(0), 7)
    with pytest.raises(AssertionError, match="slot 0 does not hold"):
        check_slot(storage.slot(0), 7)


def test_rows_and_axes():
    storage = make("trajectory", NESTED, MultiDiscrete([2, 3]), STATE)
    for count in (1, 2, 4):
        batch = storage.batch([storage.slot(index) for index in range(count)])
        envs = count * B
        assert batch.observation["a/b"].shape == (T + 1, envs, 2, 4, 4)
        assert batch.observation["a"]["b"].shape == (T + 1, envs, 2)
        assert batch.is_first.shape == batch.last_reward.shape == (T + 1, envs)
        assert batch.last_action.shape == (T + 1, envs, 2) and batch.action.shape == (T, envs, 2)
        for rows in (batch.log_prob, batch.reward, batch.terminated, batch.truncated, batch.valid):
            assert rows.shape == (T, envs)
        assert [leaf.shape for leaf in batch.init_state] == [(envs, 4)] * 2
        assert batch.policy_version.shape == (envs,)


def test_a_slot_tells_whose_it_is():
    storage = make("trajectory", slots_per_actor=3)
    slots = [storage.slot(index) for index in range(storage.num_slots)]
    assert [slot.actor for slot in slots] == [0, 0, 0, 1, 1, 1]
    assert {slot.sequence for slot in slots} == {0}
    slot = slots[0]
    assert slot.episode_return.shape == slot.episode_length.shape == (T, B)
    assert slot.episode_return.dtype == torch.float64 and slot.episode_length.dtype == torch.int64
    assert slot.seconds.shape == (len(Activity),)


def test_a_new_batch_does_not_show_an_older_one():
    storage = make("trajectory")
    first, second = storage.slot(0), storage.slot(1)
    fill_slot(first, 1)
    fill_slot(second, 2)
    assert torch.equal(storage.batch([first]).reward, first.trajectory.reward)
    assert torch.equal(storage.batch([second]).reward, second.trajectory.reward)


def test_no_slots_are_refused():
    with pytest.raises(ConfigurationError, match=r"^storage.slots_per_actor: found 0; use 1 or more$"):
        make("trajectory", slots_per_actor=0)


class OverlappingStorage(TrajectoryStorage):
    def slot(self, index):
        slot = super().slot(0)
        slot.index = index
        return slot


class LendingStorage(TrajectoryStorage):
    def batch(self, slots, out=None):
        return slots[0].trajectory if len(slots) == 1 and out is None else super().batch(slots, out)


class SortingStorage(TrajectoryStorage):
    def batch(self, slots, out=None):
        return super().batch(sorted(slots, key=lambda slot: slot.index), out)


class StateOfOneStorage(TrajectoryStorage):
    def batch(self, slots, out=None):
        batch = super().batch(slots, out)
        map_nest(lambda x: x.unflatten(0, (len(slots), B)).copy_(x[:B].clone()), batch.init_state)
        return batch


class DeafStorage(TrajectoryStorage):
    def batch(self, slots, out=None):
        return super().batch(slots)


class OneBatchStorage(TrajectoryStorage):
    def batch(self, slots, out=None):
        batch = super().batch(slots)
        return batch if out is None else concatenate([batch], out)


class OwnMemoryStorage(TrajectoryStorage):
    def __setstate__(self, state):
        self.__dict__.update(copy.deepcopy(state))


@pytest.mark.parametrize(
    "mutant",
    [OverlappingStorage, LendingStorage, SortingStorage, StateOfOneStorage, DeafStorage, OneBatchStorage],
    ids=lambda cls: cls.__name__,
)
def test_mutants_are_caught(mutant):
    with pytest.raises(AssertionError):
        check_storage(mutant(FRAMES, Discrete(3), T, B, ACTORS, STATE, False))


def test_a_storage_that_is_copied_into_a_process_is_caught():
    with pytest.raises(AssertionError, match="slot 0 does not hold"):
        check_shared_storage(OwnMemoryStorage(FRAMES, Discrete(3), T, B, ACTORS, STATE, True))
