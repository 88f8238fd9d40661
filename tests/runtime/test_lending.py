"""Which slots are lent: two batches at any time, more only for a learner that would wait."""

from contextlib import closing
from types import SimpleNamespace

import pytest

from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.runtime.lending import Lending
from hsuanwu.testing import transport as contract
from hsuanwu.xploit.storage import TrajectoryStorage
from tests.runtime.announced import Announced


def slots_of(num_actors, slots_per_actor):
    return [SimpleNamespace(index=i, actor=i // slots_per_actor) for i in range(num_actors * slots_per_actor)]


def actors(slots):
    return [slot.actor for slot in slots]


def test_all_are_lent_to_a_learner_that_waits():
    slots = slots_of(2, 3)
    lending = Lending(slots)
    assert sorted(slot.index for slot in lending.lend(batch=1, waiting=0)) == list(range(6))
    assert lending.lend(batch=1, waiting=0) == []


def test_two_batches_are_lent_while_data_wait_first_to_actors_that_have_none():
    slots = slots_of(2, 2)
    lending = Lending(slots)
    lending.lend(1, 0)
    lending.collected(slots[:2])  # both of actor 0, which has none now; actor 1 has two
    lending.released(slots[:2])
    assert lending.lend(batch=1, waiting=1) == [], "two are under way"
    lending.collected([slots[2]])
    lending.released([slots[2]])
    assert lending.lend(batch=1, waiting=1) == [slots[0]]
    assert actors(lending.lend(batch=1, waiting=0)) == [0, 1], "nothing waits: the rest, too"


@pytest.mark.parametrize(("batch", "lent"), [(1, 2), (2, 4), (3, 6), (4, 6)])
def test_a_batch_may_be_several_slots(batch, lent):
    slots = slots_of(3, 2)
    lending = Lending(slots)
    assert lending.is_rich(batch) == (batch < 3)
    assert len(lending.lend(batch, waiting=batch)) == lent
    lending.collected(slots[:1])
    lending.released(slots[:1])
    assert len(lending.lend(batch, waiting=batch - 1)) == 6 - lent + 1, "less than a batch waits"


@pytest.mark.parametrize("name", ["process", "thread"])
@pytest.mark.parametrize(("num_actors", "slots_per_actor", "batch"), [(2, 2, 1), (1, 8, 2), (2, 8, 4)])
def test_data_stay_fresh_where_the_learner_is_the_bottleneck(name, num_actors, slots_per_actor, batch):
    """Four batches of slots, and updates as long as actors need for all that they have got, however many slots."""
    storage = TrajectoryStorage(Box(-1, 1, (2,)), Discrete(3), 3, 4, num_actors, (), True, slots_per_actor)
    board = contract.make_board(shared=True)
    board.publish(contract.make_weights(0))
    transport, program = options("transport")[name](storage, board), Announced(contract.CountingProgram())
    with closing(transport):
        end, lags = transport.launch(program, num_actors), []
        for version in range(12):
            slots = end.collect(batch)
            lags.append(max(version - int(slot.trajectory.policy_version[0]) for slot in slots))
            end.release(slots)
            program.wait_until_all_are_filled(end, (version + 1) * batch)  # meanwhile, the update
            end.publish(contract.make_weights(version + 1))
    assert max(lags[5:]) <= 2, lags


@pytest.mark.parametrize("name", ["process", "thread"])
def test_a_learner_that_would_wait_gets_slots_filled_that_were_kept_back(name):
    program = Announced(contract.CountingProgram())
    with contract.Launched(options("transport")[name], program) as end:
        for number in range(5):
            slots = end.collect(1)
            program.wait_until_all_are_filled(end, number + 1)  # data wait: slots are kept back
            end.release(slots)
        assert sorted(actors(end.collect(4))) == [0, 0, 1, 1]
