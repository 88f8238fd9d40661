"""Groups of environments: their columns, what they do at the same time, and what becomes of their mistakes."""

import threading
import traceback

import numpy as np
import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import leaves
from hsuanwu.common.protocols import Step
from hsuanwu.common.spaces import Box, Dict, Discrete
from hsuanwu.common.trajectory import BATCH_AXIS
from hsuanwu.env import as_vector_env
from hsuanwu.env.probes import CounterEnv
from hsuanwu.runtime.actor import Actor
from hsuanwu.runtime.group import Group
from hsuanwu.runtime.slot_view import SlotView
from hsuanwu.xploit.encoder import MlpEncoder
from hsuanwu.xploit.policy import FeedForwardPolicy, LstmPolicy
from hsuanwu.xploit.storage import TrajectoryStorage
from hsuanwu.xplore.distribution import Categorical
from tests.env.counting import expected_rows
from tests.runtime.test_actor import ACTION, OBSERVATION, ListEnd, ScriptedEnv, make_policy

T = 4


def slot_of(num_envs, policy=None, num_steps=T, observation_space=OBSERVATION):
    state_spec = () if policy is None else policy.state_spec
    return TrajectoryStorage(observation_space, ACTION, num_steps, num_envs, 1, state_spec, False, 1).slot(0)


def collect(factory, num_envs, policy=None, overlap=True, num_steps=T):
    """Return a slot that an actor has filled."""
    policy = make_policy(FeedForwardPolicy) if policy is None else policy
    slot = slot_of(num_envs, policy, num_steps)
    for _ in Actor(factory, policy, num_envs, num_steps, seed=1, overlap=overlap).run(ListEnd([slot]), 0):
        pass
    return slot


def test_a_view_has_its_columns_and_no_others():
    space = Dict({"a": Box(0, 1, (2,)), "b": OBSERVATION})
    slot = slot_of(5, make_policy(LstmPolicy), observation_space=space)
    view = SlotView(slot, start=1, count=3)
    for name, axis in {name: BATCH_AXIS.get(name, 1) for name in view.trajectory.__dict__}.items():
        for part in leaves(getattr(view.trajectory, name)):
            assert part.shape[axis] == 3, name
            part.fill_(1)
        for part in leaves(getattr(slot.trajectory, name)):
            outside = torch.cat([part.narrow(axis, 0, 1), part.narrow(axis, 4, 1)], axis)
            assert not outside.any() and part.narrow(axis, 1, 3).all(), name
    view.episode_return[2] = view.episode_length[3] = 7
    assert slot.episode_return.sum(1).tolist() == [0, 0, 21, 0] and slot.episode_return[2, 0] == 0
    assert slot.episode_length.sum(1).tolist() == [0, 0, 0, 21] and slot.episode_length[3, 4] == 0


def test_rows_of_a_view_are_those_of_the_slot():
    slot = slot_of(5)
    view = SlotView(slot, start=1, count=3)
    assert len(view.seen) == T + 1 and len(view.next_observation) == len(view.action) == len(view.log_prob) == T
    for t in range(T):
        view.next_observation[t][...] = t + 1
        view.action[t].fill_(t)
        view.log_prob[t].fill_(-t)
        view.arrays.reward[t] = 10 * t
    x = slot.trajectory
    assert x.observation[:, 1:4].eq(torch.arange(5.0).view(5, 1, 1)).all()
    assert [row[0].mean().item() for row in view.seen] == [0, 1, 2, 3, 4]
    steps = torch.arange(T).view(T, 1)
    assert x.action[:, 1:4].eq(steps).all() and x.log_prob[:, 1:4].eq(-steps).all()
    assert x.reward[:, 1:4].eq(10 * steps).all()


@pytest.mark.parametrize("num_envs", [2, 3, 7])
@pytest.mark.parametrize("overlap", [False, True])
def test_each_column_follows_one_environment(overlap, num_envs):
    """Environments that show the same array each time, and write straight into the slot."""
    policy = FeedForwardPolicy(MlpEncoder(OBSERVATION, 8), Categorical(Discrete(3)), 8, None)
    slot = collect(lambda count: as_vector_env([CounterEnv() for _ in range(count)]), num_envs, policy, overlap, 40)
    x = slot.trajectory
    tags = x.observation[0, :, 0].tolist()
    assert len(set(tags)) == num_envs, "each has a seed of its own"
    for i, tag in enumerate(tags):
        observations, outcomes = expected_rows(int(tag), x.action[:, i].tolist())
        np.testing.assert_array_equal(x.observation[:, i], observations)
        found = zip(*(part[:, i].tolist() for part in (x.reward, x.terminated, x.truncated)), strict=True)
        assert list(found) == outcomes


ENTRIES: list[str] = []


class Diary:
    """Asynchronous environments, and a policy, that write down what they do."""

    is_async = True

    def __init__(self, num_envs):
        self._env = ScriptedEnv(0, num_envs)
        self.num_envs, self.observation_space, self.action_space = num_envs, OBSERVATION, ACTION
        self.reset, self.close = self._env.reset, self._env.close

    def send(self, action):
        ENTRIES.append(f"send {self.num_envs}")
        self._sent = action.copy()

    def receive(self):
        ENTRIES.append(f"receive {self.num_envs}")
        return self._env.step(self._sent)

    def step(self, action):
        ENTRIES.append(f"step {self.num_envs}")
        return self._env.step(action)

    def render(self):
        raise NotImplementedError


class DiaryPolicy(FeedForwardPolicy):
    """Writes into a diary that its copies share."""

    def act(self, observation, *rest, **named):
        ENTRIES.append(f"act {len(observation)}")
        return super().act(observation, *rest, **named)


@pytest.mark.parametrize(
    ("overlap", "first", "rest"),
    [
        (False, ["act 3", "step 3"], ["act 3", "step 3"]),
        (
            True,
            ["act 2", "send 2", "act 1", "send 1"],
            ["receive 2", "act 2", "send 2", "receive 1", "act 1", "send 1"],
        ),
    ],
)
def test_one_group_is_inferred_while_the_other_steps(overlap, first, rest):
    ENTRIES.clear()
    collect(Diary, 3, make_policy(DiaryPolicy), overlap)
    last = ["receive 2", "receive 1"] if overlap else []
    assert first + (T - 1) * rest + last == ENTRIES


class Fragile(ScriptedEnv):
    """Breaks at the third step, if it has as many environments as it is told."""

    culprit, made = 0, []

    def __init__(self, num_envs):
        super().__init__(0, num_envs)
        self.made.append(self)

    def step(self, action):
        if len(self.actions) == 2 and self.num_envs == self.culprit:
            self.break_down()
        return super().step(action)

    def break_down(self):
        raise OSError("broken on purpose")

    def render(self):
        raise NotImplementedError


def stepping_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("hsuanwu-step")]


@pytest.mark.parametrize(("overlap", "culprit"), [(False, 3), (True, 2), (True, 1)])
def test_an_exception_is_told_with_its_traceback_and_everything_is_closed(monkeypatch, overlap, culprit):
    monkeypatch.setattr(Fragile, "culprit", culprit)
    monkeypatch.setattr(Fragile, "made", [])
    with pytest.raises(OSError, match="broken on purpose") as caught:
        collect(Fragile, 3, overlap=overlap)
    assert "break_down" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert len(Fragile.made) == 1 + overlap and all(env.is_closed for env in Fragile.made)
    assert not stepping_threads()


def test_an_actor_that_is_ended_between_slots_closes_everything(monkeypatch):
    monkeypatch.setattr(Fragile, "made", [])
    policy = make_policy(FeedForwardPolicy)
    rollouts = Actor(Fragile, policy, 3, T, seed=1, overlap=True).run(ListEnd([slot_of(3)]), 0)
    next(rollouts)
    assert len(stepping_threads()) == 2
    rollouts.close()
    assert all(env.is_closed for env in Fragile.made) and not stepping_threads()


@pytest.mark.parametrize("method", ["__init__", "reset"])
def test_a_second_group_that_cannot_begin_closes_the_first(monkeypatch, method):
    monkeypatch.setattr(Fragile, "made", [])
    right = getattr(Fragile, method)

    def begin(self, argument):
        if Fragile.made and self is not Fragile.made[0]:
            raise OSError("broken on purpose")
        return right(self, argument)

    monkeypatch.setattr(Fragile, method, begin)
    with pytest.raises(OSError, match="broken on purpose"):
        collect(Fragile, 3)
    assert all(env.is_closed for env in Fragile.made) and not stepping_threads()


def test_nothing_is_copied_that_is_in_its_place():
    """An environment that answers with the row that it was given has written there itself."""
    group, slot = Group(ScriptedEnv(0, 2), make_policy(FeedForwardPolicy), seed=1), slot_of(2)
    view = SlotView(slot, 0, 2)
    group.begin(view, 0)
    copies = []
    with pytest.MonkeyPatch.context() as patch:
        right = np.copyto
        patch.setattr(np, "copyto", lambda target, x, **rest: copies.append(target) or right(target, x, **rest))
        outcome = np.zeros(2), np.zeros(2, bool), np.zeros(2, bool)
        view.next_observation[0][...] = 5
        group.record(view, 0, Step(view.next_observation[0], *outcome))
        assert not copies
        group.record(view, 1, Step(np.full((2, 3), 6.0), *outcome))
        assert len(copies) == 1
    assert slot.trajectory.observation[1:3].mean((1, 2)).tolist() == [5, 6]


class StaggeringEnv(ScriptedEnv):
    """Remembers how it was begun."""

    def reset_staggered(self, seed, num_steps):
        self.begun = seed, num_steps
        return self.reset(seed)

    def render(self):
        raise AssertionError("nobody asked for a picture")


def test_staggering_reaches_the_environments():
    envs = []

    def factory(num_envs):
        envs.append(StaggeringEnv(0, num_envs))
        return envs[-1]

    policy = make_policy(FeedForwardPolicy)
    for stagger_steps in (0, 7):
        actor = Actor(factory, policy, 2, T, seed=1, stagger_steps=stagger_steps)
        for _ in actor.run(ListEnd([slot_of(2, policy)]), 0):
            pass
    plain, staggered = envs
    assert not hasattr(plain, "begun") and staggered.begun[1] == 7


def test_environments_that_step_together_cannot_be_staggered():
    with pytest.raises(ConfigurationError, match=r"stagger_steps: found 5, .*use 0, or env.native_vector=false"):
        Group(ScriptedEnv(0, 2), make_policy(FeedForwardPolicy), seed=1, stagger_steps=5)
