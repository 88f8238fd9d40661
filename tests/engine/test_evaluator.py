"""Evaluation ends, whatever the environment does."""

import gymnasium
import numpy as np
import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer, evaluator


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


def test_an_episode_that_does_not_end_is_told(endless, monkeypatch):
    monkeypatch.setattr(evaluator, "_MOST_STEPS", 200)
    with pytest.raises(ConfigurationError, match="eval_episodes: an episode has not ended after 200 steps"):
        endless().test(2)


def test_episodes_up_to_the_limit_count_and_later_ones_are_not_waited_for(endless, monkeypatch):
    monkeypatch.setattr(evaluator, "_MOST_STEPS", 200)
    found = endless("env.kwargs.lengths=[60,199]").test(2)
    assert found.lengths == (60, 60)
    found = endless("env.kwargs.lengths=[199]").test(1)
    assert found.returns == (199.0,)


def test_as_many_episodes_as_usual_where_the_configuration_says_none(endless):
    assert len(endless("env.kwargs.lengths=[3]", "eval_episodes=0").test().returns) == evaluator.EPISODES
