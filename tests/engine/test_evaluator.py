"""Evaluation plays as many episodes as it was asked for, tells what they gave, and ends."""

import gymnasium
import numpy as np
import pytest

from hsuanwu.common.errors import EnvironmentWarning
from hsuanwu.common.protocols import Step
from hsuanwu.common.spaces import Box
from hsuanwu.engine import DistributedTrainer, evaluator, inspector
from hsuanwu.xploit.policy import FeedForwardPolicy
from tests.runtime.test_actor import ACTION, OBSERVATION, make_policy


class Endless(gymnasium.Env):
    """Its first episodes end after so many steps; the others never do."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, lengths=()):
        self.lengths = list(lengths)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.lengths.pop(0) if self.lengths else -1
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(2, np.float32), 1.0, self.left == 0, False, {}


@pytest.fixture
def endless(composed):
    gymnasium.register("Endless-v0", Endless)
    yield lambda *overrides: DistributedTrainer(composed("env=gymnasium", "env.id=Endless-v0", *overrides))
    del gymnasium.registry["Endless-v0"]


def test_episodes_that_do_not_end_are_left_out_and_told(endless, monkeypatch):
    monkeypatch.setattr(inspector, "MOST_STEPS", 200)
    trainer = endless()
    with pytest.warns(EnvironmentWarning, match="2 of 2 evaluation episodes had not ended after 200 steps"):
        found = trainer.test(2)
    assert found.returns == () and found.unfinished == 2
    assert found.to_dict()["episode_return"]["mean"] is None and found.metrics()["eval_unfinished"] == 2


def test_episodes_up_to_the_limit_count_and_later_ones_are_not_waited_for(endless, monkeypatch):
    monkeypatch.setattr(inspector, "MOST_STEPS", 200)
    assert endless("env.kwargs.lengths=[60,199]").test(2).lengths == (60, 60)
    assert endless("env.kwargs.lengths=[199]").test(1).returns == (199.0,)
    monkeypatch.setattr(evaluator, "MAX_ENVS", 2)
    with pytest.warns(EnvironmentWarning, match="3 of 5 evaluation episodes"):
        assert endless("env.kwargs.lengths=[60,999]").test(5).lengths == (60, 60)


def test_where_none_ended_in_training_none_is_begun(endless):
    trainer = endless()
    trainer._inspector._steps = {0: 30_000}
    with pytest.warns(EnvironmentWarning, match="nothing was evaluated, for no episode has ended in training"):
        assert trainer.test(3).unfinished == 3


@pytest.mark.parametrize(
    ("longest", "steps", "limit"),
    [
        (0, 0, 108_000),
        (0, 99, 1000),
        (0, 999, 9990),
        (0, 29_999, 30_000),
        (0, 30_000, 0),
        (700, 10**6, 30_000),
        (7000, 10**6, 70_000),
        (20_000, 10**6, 108_000),
    ],
)
def test_how_long_an_episode_may_take(longest, steps, limit):
    found = inspector.Inspector(Box(-1, 1, (2,)), longest)
    found._steps = {0: steps}
    assert found.episode_limit == limit


def test_as_many_episodes_as_usual_where_the_configuration_says_none(endless):
    assert len(endless("env.kwargs.lengths=[3]", "eval_episodes=0").test().returns) == evaluator.EPISODES


def length_of(i, episode):
    return 1 + (i + 2 * episode) % 5


class Scripted:
    """Episode e of environment i takes ``1 + (i + 2 e) % 5`` steps, each with a reward of ``i + e / 8``."""

    observation_space, action_space = OBSERVATION, ACTION

    def __init__(self, num_envs, render=False):
        self.num_envs = num_envs
        self.episode, self.time, self.has_ended = np.zeros(num_envs, int), np.zeros(num_envs, int), np.zeros(num_envs)

    def reset(self, seed):
        return np.zeros((self.num_envs, 3), np.float32)

    def step(self, action):
        was_end = self.has_ended.astype(bool)
        self.episode, self.time = self.episode + was_end, np.where(was_end, 0, self.time + 1)
        indices, nothing = np.arange(self.num_envs), np.zeros(self.num_envs, bool)
        self.has_ended = self.time == length_of(indices, self.episode)
        reward = np.where(was_end, 0.0, indices + self.episode / 8)
        return Step(np.zeros((self.num_envs, 3), np.float32), reward, self.has_ended, nothing)

    def close(self):
        pass


@pytest.mark.parametrize("episodes", [1, 5, 128, 200, 300])
def test_each_environment_plays_its_share_of_the_episodes(episodes):
    """Whoever has short ones plays no more of them."""
    found = evaluator.evaluate(make_policy(FeedForwardPolicy), Scripted, episodes, seed=1)
    num_envs = min(episodes, evaluator.MAX_ENVS)
    expected = []
    for number in range(episodes):
        episode, i = divmod(number, num_envs)
        expected.append((length_of(i, episode) * (i + episode / 8), length_of(i, episode)))
    assert sorted(zip(found.returns, found.lengths, strict=True)) == sorted(expected)
