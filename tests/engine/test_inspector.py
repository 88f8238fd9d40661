"""Doubts about environments are said once, and only where there is a reason."""

import numpy as np
import pytest
import torch

from hsuanwu.common.errors import EnvironmentWarning
from hsuanwu.common.spaces import Box, Dict, Discrete
from hsuanwu.engine.inspector import _LONG_STEPS, Inspector, no_end
from hsuanwu.xploit.storage import TrajectoryStorage

T, B = 32, 3
SPACE = Dict({"x": Box([-1, -np.inf], [1, 5], (2,)), "picture": Box(0, 255, (4, 4), np.uint8), "n": Discrete(3)})


def slots(count, space=SPACE, seed=0):
    """Return slots of actors that act and see at random."""
    storage = TrajectoryStorage(space, Discrete(2), T, B, count, (), shared=False)
    generator = torch.Generator().manual_seed(seed)
    found = list({slot.actor: slot for slot in map(storage.slot, range(storage.num_slots))}.values())
    for slot in found:
        slot.trajectory.observation["x"].uniform_(-0.9, 0.9, generator=generator)
        slot.trajectory.action.random_(2, generator=generator)
        slot.trajectory.reward.normal_(generator=generator)
    return found


def said(inspector):
    """Return the lines that an inspector has to say, each a warning."""
    with pytest.warns(EnvironmentWarning) as caught:
        inspector.speak()
    return [str(warning.message) for warning in caught]


def test_nothing_is_said_of_what_is_right():
    inspector = Inspector(SPACE)
    for i in range(6):
        inspector.inspect(slots(2, seed=i))
    inspector.speak()
    assert inspector.num_outside == 0 and inspector.steps_each == 6 * T


def test_numbers_outside_of_their_bounds_are_counted_and_said_once():
    inspector = Inspector(SPACE)
    (slot,) = slots(1)
    slot.trajectory.observation["x"][3, 1] = torch.tensor([0.5, 5.5])
    slot.trajectory.observation["x"][4, 2] = torch.tensor([-7.0, 9.0])
    slot.trajectory.observation["x"][0] = 99.0  # the last row of the slot before, which has been counted
    inspector.inspect([slot])
    (line,) = said(inspector)
    assert "observation_space.x: an observation of actor 0, environment 1, has 5.5 at [1]" in line
    assert "says -inf to 5" in line and inspector.num_outside == 2
    inspector.inspect([slot])
    inspector.speak()
    assert inspector.num_outside == 4


@pytest.mark.parametrize(
    "space", [Box(0, 255, (2,), np.uint8), Box(-np.inf, np.inf, (2,)), Box(0, 1, (0,)), Discrete(5)]
)
def test_where_nothing_can_be_outside_nothing_is_looked_at(space):
    assert Inspector(space)._bounds == [None]


def twins(seed):
    """Return slots of two actors of which an environment each answers as the other one does."""
    first, second = slots(2, seed=seed)
    for name in ("reward", "terminated", "truncated"):
        getattr(second.trajectory, name)[:, 1] = getattr(first.trajectory, name)[:, 2]
    for leaf, other in zip(second.trajectory.observation.values(), first.trajectory.observation.values(), strict=True):
        leaf[:, 1] = other[:, 2]
    return first, second


TWINS = "environment 1 of actor 1 and environment 2 of actor 0 have different seeds"


def test_equal_rollouts_of_different_actions_are_said_once():
    inspector = Inspector(SPACE)
    for i in range(4):
        inspector.inspect(twins(i))
    (line,) = said(inspector)
    assert TWINS in line and "first 64 steps" in line


def test_an_actor_that_begins_late_is_waited_for():
    inspector, pairs = Inspector(SPACE), [twins(i) for i in range(40)]
    inspector.inspect([first for first, _ in pairs])
    inspector.speak()
    inspector.inspect([second for _, second in pairs])
    (line,) = said(inspector)
    assert TWINS in line


def test_of_few_rows_it_is_said_in_the_end():
    inspector, (first, second) = Inspector(SPACE), twins(0)
    first.episode_length[3, 1] = 7
    inspector.inspect([first, *slots(1, seed=1)[:1], second])
    inspector.speak()
    with pytest.warns(EnvironmentWarning, match="first 32 steps"):
        inspector.conclude()


def test_what_differs_later_is_no_doubt():
    inspector, (first, second) = Inspector(SPACE), twins(0)
    first.episode_length[3, 1] = 7
    inspector.inspect([first, second, *slots(2, seed=1)])
    inspector.conclude()


def test_equal_rollouts_of_equal_actions_are_no_doubt():
    inspector = Inspector(SPACE)
    for i in range(4):
        first, second = slots(2, seed=i)
        for name in ("reward", "action"):
            getattr(second.trajectory, name)[:, 1] = getattr(first.trajectory, name)[:, 2]
        second.trajectory.observation["x"][:, 1] = first.trajectory.observation["x"][:, 2]
        inspector.inspect([first, second])
    inspector.speak()


def test_where_nothing_ever_happens_nothing_is_compared():
    inspector = Inspector(SPACE)
    for i in range(4):
        found = slots(2, seed=i)
        for slot in found:
            slot.trajectory.observation["x"].zero_()
            slot.trajectory.reward.zero_()
        inspector.inspect(found)
    inspector.speak()


def test_the_end_of_an_episode_is_asked_for_once():
    inspector = Inspector(SPACE)
    for _ in range(_LONG_STEPS // T + 5):
        inspector.inspect(slots(1))
    assert said(inspector) == [no_end(inspector.steps_each - 4 * T)]
    (slot,) = slots(1)
    slot.episode_length[3, 1] = 77
    inspector.inspect([slot])
    assert inspector.longest == 77
    inspector.speak()
