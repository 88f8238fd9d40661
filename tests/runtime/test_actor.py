"""The actor writes what happened into the rows where it belongs."""

import copy
from collections import deque
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
import torch

from hsuanwu.common.nest import leaves
from hsuanwu.common.protocols import Step
from hsuanwu.common.slot import Activity
from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.runtime.actor import Actor
from hsuanwu.runtime.transport import ActorEnd
from hsuanwu.runtime.weights import Weights
from hsuanwu.xploit.encoder import MlpEncoder
from hsuanwu.xploit.policy import FeedForwardPolicy, LstmPolicy
from hsuanwu.xploit.storage import TrajectoryStorage
from hsuanwu.xplore.distribution import Categorical

NUM_ENVS, NUM_STEPS, NUM_SLOTS = 3, 4, 5
LENGTHS = (1, 3, 6)  # of the episodes of each environment
OBSERVATION, ACTION = Box(-np.inf, np.inf, (3,)), Discrete(4)


class ScriptedEnv:
    """Episodes of fixed lengths; shows (environment, episode, step); rewards are unlike each other.

    Environment 0 ends by termination, 1 by truncation, 2 by both at once.
    """

    observation_space, action_space = OBSERVATION, ACTION

    def __init__(self, start=0, num_envs=NUM_ENVS):
        self.index, self.num_envs = np.arange(start, start + num_envs), num_envs
        self.actions = []
        self.is_closed = False

    def reset(self, seed):
        self.seed = seed
        self.episode, self.time = np.zeros(self.num_envs, int), np.zeros(self.num_envs, int)
        self.has_ended = np.zeros(self.num_envs, bool)
        return self.observe()

    def observe(self):
        return np.stack([self.index, self.episode, self.time], 1).astype(np.float32)

    def step(self, action):
        self.actions.append(action.copy())
        was_end = self.has_ended
        self.time = np.where(was_end, 0, self.time + 1)
        self.episode = self.episode + was_end
        self.has_ended = (self.time >= np.array(LENGTHS)[self.index]) & ~was_end
        reward = np.where(was_end, 0.0, 100.0 * self.episode + self.time + 0.25 + 0.125 * self.index)
        return Step(self.observe(), reward, self.has_ended & (self.index != 1), self.has_ended & (self.index != 0))

    def close(self):
        self.is_closed = True


class Scripts:
    """A factory whose environments are numbered one after the other, and what they did."""

    def __init__(self):
        self.envs = []

    def __call__(self, num_envs):
        self.envs.append(ScriptedEnv(sum(env.num_envs for env in self.envs), num_envs))
        return self.envs[-1]

    def actions(self, t):
        return np.concatenate([env.actions[t] for env in self.envs])


class ListEnd(ActorEnd):
    """Hands out slots in turn and keeps what was committed."""

    def __init__(self, slots, weights=None):
        self.free, self.committed, self._weights = deque(slots), [], weights

    def acquire(self):
        return self.free.popleft() if self.free else None

    def commit(self, slot):
        self.committed.append(slot)

    def weights(self, newer_than):
        return self._weights if self._weights is not None and self._weights.version > newer_than else None


class ScramblingEnd(ListEnd):
    """Hands out one slot again and again, with other things in it each time."""

    def __init__(self, slot, count):
        super().__init__([slot] * count)

    def commit(self, slot):
        super().commit(copy.deepcopy(slot))
        for x in (slot.episode_return, slot.episode_length, slot.seconds):
            x.fill_(77)
        slot.trajectory.map(lambda x: x.fill_(1))


def make_policy(policy_class):
    torch.manual_seed(0)
    return policy_class(MlpEncoder(OBSERVATION, 8), Categorical(ACTION), 8, None)


@pytest.fixture(params=[False, True], ids=["together", "overlap"])
def overlap(request):
    return request.param


@pytest.fixture(params=[FeedForwardPolicy, LstmPolicy])
def run(request, overlap):
    """Return (environments, slots, policy) of five rollouts; overlapping ones are two and one side by side."""
    policy = make_policy(request.param)
    envs = Scripts()
    storage = TrajectoryStorage(OBSERVATION, ACTION, NUM_STEPS, NUM_ENVS, 1, policy.state_spec, False, NUM_SLOTS)
    end = ListEnd([storage.slot(i) for i in range(NUM_SLOTS)], Weights(7, policy.state_dict()))
    for _ in Actor(envs, policy, NUM_ENVS, NUM_STEPS, seed=3, overlap=overlap).run(end, 0):
        pass
    assert len(end.committed) == NUM_SLOTS
    assert [env.num_envs for env in envs.envs] == ([2, 1] if overlap else [3])
    return envs, end.committed, policy


def joined(slots, name, rows=NUM_STEPS):
    return torch.cat([getattr(slot.trajectory, name)[:rows] for slot in slots]).numpy()


def test_rows_follow_the_environment(run):
    envs, slots, _ = run
    twin = ScriptedEnv()
    observation, is_first = twin.reset(0), np.ones(NUM_ENVS, bool)
    last_action, last_reward, has_ended = np.zeros(NUM_ENVS), np.zeros(NUM_ENVS), np.zeros(NUM_ENVS, bool)
    for t in range(NUM_SLOTS * NUM_STEPS):
        row = {name: joined(slots, name)[t] for name in ("observation", "is_first", "last_action", "last_reward")}
        np.testing.assert_array_equal(row["observation"], observation)
        np.testing.assert_array_equal(row["is_first"], is_first)
        np.testing.assert_array_equal(row["last_action"], last_action)
        np.testing.assert_array_equal(row["last_reward"], last_reward)
        action = joined(slots, "action")[t]
        np.testing.assert_array_equal(action, envs.actions(t))
        np.testing.assert_array_equal(joined(slots, "valid")[t], ~has_ended)
        is_first = has_ended
        observation, reward, terminated, truncated, _ = twin.step(action)
        has_ended = terminated | truncated
        np.testing.assert_array_equal(joined(slots, "reward")[t], reward.astype(np.float32))
        np.testing.assert_array_equal(joined(slots, "terminated")[t], terminated)
        np.testing.assert_array_equal(joined(slots, "truncated")[t], truncated)
        last_action, last_reward = np.where(is_first, 0, action), np.where(is_first, 0, reward)


def test_the_last_row_of_a_slot_is_the_first_of_the_next(run):
    _, slots, _ = run
    for slot, following in pairwise(slots):
        for name in ("observation", "is_first", "last_action", "last_reward"):
            assert torch.equal(getattr(slot.trajectory, name)[-1], getattr(following.trajectory, name)[0])


def test_the_final_observation_is_shown_and_the_row_after_is_first(run):
    _, slots, _ = run
    observation, valid = joined(slots, "observation"), joined(slots, "valid")
    is_first = joined(slots, "is_first")
    for i, length in enumerate(LENGTHS):
        final = observation[:, i, 2] == length
        assert final.any()
        np.testing.assert_array_equal(~valid[:, i], final)
        np.testing.assert_array_equal(is_first[1:, i], final[:-1])


def test_episodes_are_counted_raw(run):
    _, slots, _ = run
    lengths = torch.cat([slot.episode_length for slot in slots]).numpy()
    returns = torch.cat([slot.episode_return for slot in slots]).numpy()
    for i, length in enumerate(LENGTHS):
        ended = np.flatnonzero(lengths[:, i])
        assert ended.size and (lengths[ended, i] == length).all()
        for episode, t in enumerate(ended):
            expected = sum(100.0 * episode + step + 0.25 + 0.125 * i for step in range(1, length + 1))
            assert returns[t, i] == pytest.approx(expected)


def test_lag_is_zero_while_the_weights_stand_still(run):
    _, slots, policy = run
    for slot in slots:
        x = slot.trajectory
        assert (x.policy_version == 7).all()
        unroll = policy.unroll(x.observation, x.is_first, x.last_action, x.last_reward, x.init_state)
        log_probs = policy.distribution.log_prob(unroll.params[:-1], x.action)
        torch.testing.assert_close(log_probs, x.log_prob, rtol=0, atol=1e-5)


def test_all_time_is_accounted_for(run):
    _, slots, _ = run
    for slot in slots:
        assert (slot.seconds[[Activity.ENVIRONMENT, Activity.INFERENCE]] > 0).all()
        assert slot.seconds.sum() > 0


def test_the_environments_are_closed(run):
    assert all(env.is_closed for env in run[0].envs)


@pytest.mark.parametrize("policy_class", [FeedForwardPolicy, LstmPolicy])
def test_a_slot_tells_nothing_of_what_was_in_it_before(policy_class, overlap):
    policy, found = make_policy(policy_class), []
    storage = TrajectoryStorage(OBSERVATION, ACTION, NUM_STEPS, NUM_ENVS, 1, policy.state_spec, False, NUM_SLOTS)
    for end in (ListEnd([storage.slot(i) for i in range(NUM_SLOTS)]), ScramblingEnd(storage.slot(0), NUM_SLOTS)):
        for _ in Actor(Scripts(), policy, NUM_ENVS, NUM_STEPS, seed=3, overlap=overlap).run(end, 0):
            pass
        found.append([(x.episode_return, x.episode_length, *leaves_of(x.trajectory)) for x in end.committed])
        found[-1] = copy.deepcopy(found[-1])
    assert len(found[0]) == len(found[1]) == NUM_SLOTS
    for slot, other in zip(*found, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(slot, other, strict=True))


def leaves_of(trajectory):
    return [x for f in fields(trajectory) for x in leaves(getattr(trajectory, f.name))]


def first_actions(policy, index, overlap=False):
    """Return 50 steps of actions of the actor ``index``, and the seeds of its environments."""
    storage, envs = TrajectoryStorage(OBSERVATION, ACTION, 50, NUM_ENVS, 1, (), False, 1), Scripts()
    for _ in Actor(envs, policy, NUM_ENVS, 50, seed=3, overlap=overlap).run(ListEnd([storage.slot(0)]), index):
        pass
    return tuple(storage.slot(0).trajectory.action.flatten().tolist()), [env.seed for env in envs.envs]


def test_four_actors_have_four_streams(overlap):
    policy = make_policy(FeedForwardPolicy)
    found = [first_actions(policy, index, overlap) for index in range(4)]
    assert len({actions for actions, _ in found}) == 4
    seeds = [seed for _, some in found for seed in some]
    assert len(set(seeds)) == len(seeds) == (8 if overlap else 4)
    assert first_actions(policy, 0, overlap) == found[0]


def test_one_environment_does_not_overlap():
    envs, policy = Scripts(), make_policy(FeedForwardPolicy)
    storage = TrajectoryStorage(OBSERVATION, ACTION, NUM_STEPS, 1, 1, (), False, 1)
    for _ in Actor(envs, policy, 1, NUM_STEPS, seed=3, overlap=True).run(ListEnd([storage.slot(0)]), 0):
        pass
    assert [env.num_envs for env in envs.envs] == [1]


def test_every_environment_is_closed_even_if_one_cannot_be():
    policy, envs = make_policy(FeedForwardPolicy), Scripts()
    storage = TrajectoryStorage(OBSERVATION, ACTION, NUM_STEPS, NUM_ENVS, 1, (), False, NUM_SLOTS)
    end = ListEnd([storage.slot(i) for i in range(NUM_SLOTS)], Weights(7, policy.state_dict()))
    run = Actor(envs, policy, NUM_ENVS, NUM_STEPS, seed=3, overlap=True).run(end, 0)
    next(run)

    def close():
        raise OSError("cannot be closed")

    first, second = envs.envs
    second.close = close
    with pytest.raises(OSError, match="cannot be closed"):
        run.close()
    assert first.is_closed
