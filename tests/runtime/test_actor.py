"""The actor writes what happened into the rows where it belongs."""

from collections import deque
from itertools import pairwise

import numpy as np
import pytest
import torch

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

    num_envs, observation_space, action_space = NUM_ENVS, OBSERVATION, ACTION

    def __init__(self):
        self.actions = []
        self.is_closed = False

    def reset(self, seed):
        self.episode, self.time = np.zeros(NUM_ENVS, int), np.zeros(NUM_ENVS, int)
        self.has_ended = np.zeros(NUM_ENVS, bool)
        return self.observe()

    def observe(self):
        return np.stack([np.arange(NUM_ENVS), self.episode, self.time], 1).astype(np.float32)

    def step(self, action):
        self.actions.append(action.copy())
        was_end = self.has_ended
        self.time = np.where(was_end, 0, self.time + 1)
        self.episode = self.episode + was_end
        self.has_ended = (self.time >= LENGTHS) & ~was_end
        reward = np.where(was_end, 0.0, 100.0 * self.episode + self.time + 0.25)
        return Step(self.observe(), reward, self.has_ended & [True, False, True], self.has_ended & [False, True, True])

    def close(self):
        self.is_closed = True


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


def make_policy(policy_class):
    torch.manual_seed(0)
    return policy_class(MlpEncoder(OBSERVATION, 8), Categorical(ACTION), 8, None)


@pytest.fixture(params=[FeedForwardPolicy, LstmPolicy])
def run(request):
    """Return (environment, slots) of five rollouts."""
    policy = make_policy(request.param)
    env = ScriptedEnv()
    storage = TrajectoryStorage(OBSERVATION, ACTION, NUM_STEPS, NUM_ENVS, 1, policy.state_spec, False, NUM_SLOTS)
    end = ListEnd([storage.slot(i) for i in range(NUM_SLOTS)], Weights(7, policy.state_dict()))
    for _ in Actor(lambda num_envs: env, policy, NUM_ENVS, NUM_STEPS, seed=3).run(end, 0):
        pass
    assert len(end.committed) == NUM_SLOTS
    return env, end.committed, policy


def joined(slots, name, rows=NUM_STEPS):
    return torch.cat([getattr(slot.trajectory, name)[:rows] for slot in slots]).numpy()


def test_rows_follow_the_environment(run):
    env, slots, _ = run
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
        np.testing.assert_array_equal(action, env.actions[t])
        np.testing.assert_array_equal(joined(slots, "valid")[t], ~has_ended)
        is_first = has_ended
        observation, reward, terminated, truncated = twin.step(action)
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
            expected = sum(100.0 * episode + step + 0.25 for step in range(1, length + 1))
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


def test_the_environment_is_closed(run):
    assert run[0].is_closed


def test_four_actors_have_four_streams():
    policy = make_policy(FeedForwardPolicy)
    actions = []
    for index in range(4):
        storage = TrajectoryStorage(OBSERVATION, ACTION, 50, NUM_ENVS, 1, (), False, 1)
        end = ListEnd([storage.slot(0)])
        for _ in Actor(lambda num_envs: ScriptedEnv(), policy, NUM_ENVS, 50, seed=3).run(end, index):
            pass
        actions.append(tuple(storage.slot(0).trajectory.action.flatten().tolist()))
    assert len(set(actions)) == 4
