"""Evaluation ends, whatever the environment does."""

import gymnasium
import numpy as np
import pytest

from hsuanwu.common.errors import EnvironmentWarning
from hsuanwu.engine import DistributedTrainer, evaluator, inspector


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
    trainer._inspector._steps = {0: 1000}
    with pytest.warns(EnvironmentWarning, match="nothing was evaluated, for no episode has ended in training"):
        assert trainer.test(3).unfinished == 3
    trainer._inspector._steps = {0: 999}
    assert trainer._inspector.episode_limit == 1000
    trainer._inspector.longest = 700
    assert trainer._inspector.episode_limit == 7000


def test_as_many_episodes_as_usual_where_the_configuration_says_none(endless):
    assert len(endless("env.kwargs.lengths=[3]", "eval_episodes=0").test().returns) == evaluator.EPISODES
