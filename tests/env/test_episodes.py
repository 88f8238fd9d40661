"""Time limits that a vector counts itself, beside gymnasium's own wrapper."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from hsuanwu.common.errors import EnvironmentFault
from hsuanwu.env import GymnasiumEnvFactory, as_vector_env


class Dicing(gymnasium.Env):
    """Ends, is cut, or does both, by the dice; shows its number of steps, and tells it."""

    observation_space, action_space = spaces.Box(0, 99, (1,)), spaces.Discrete(2)

    def __init__(self, wrong_at=None):
        self.time, self.wrong_at, self.answers = 0, wrong_at, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time, self.answers = self.time + 1, self.answers + 1
        if self.answers == self.wrong_at:
            return 7
        is_over, is_cut = self.np_random.random(2) < (0.2, 0.1)
        return np.float32([self.time]), 0.5, bool(is_over), bool(is_cut), {"time": self.time}


class OwnLimit(TimeLimit):
    """Is stepped as any wrapper is, for it has a step of its own."""

    def step(self, action):
        return super().step(action)


def _vectors(limit, num_envs=16):
    return [as_vector_env([wrap(Dicing(), limit) for _ in range(num_envs)]) for wrap in (TimeLimit, OwnLimit)]


def _flat(step):
    return [*map(np.ndarray.tolist, step[:4]), sorted((i, told["time"]) for i, told in step.infos)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("stagger_steps", [0, 2, 30])
def test_every_answer_is_that_of_the_wrapper(limit, stagger_steps):
    vectors = _vectors(limit)
    for seed in (1, 2):  # a reset in the middle of episodes starts all of them anew
        if stagger_steps:
            first, second = (vector.reset_staggered(seed, stagger_steps).tolist() for vector in vectors)
        else:
            first, second = (vector.reset(seed).tolist() for vector in vectors)
        assert first == second
        ends = np.zeros(4, int)
        for _ in range(150):
            first, second = (vector.step(np.zeros(16, int)) for vector in vectors)
            assert _flat(first) == _flat(second)
            ends += np.bincount(first.terminated + 2 * first.truncated, minlength=4)
        assert ends.all() or limit == 1, "each way to end came up"


def test_the_wrapper_is_not_called_at_each_step(monkeypatch):
    monkeypatch.setattr(TimeLimit.step, "__code__", (lambda self, action: 1 / 0).__code__)
    vector = GymnasiumEnvFactory("CartPole-v1", {"max_episode_steps": 4}, native_vector=False)(3)
    vector.reset(1)
    cut = [vector.step(np.zeros(3, int)).truncated.tolist() for _ in range(9)]
    assert cut == [[t in (3, 8)] * 3 for t in range(9)]
    vector.close()


def test_a_step_of_the_users_own_is_called():
    class Counting(TimeLimit):
        num_steps = 0

        def step(self, action):
            self.num_steps += 1
            return super().step(action)

    own, patched = Counting(Dicing(), 5), TimeLimit(Dicing(), 5)
    calls, step = [], patched.step
    patched.step = lambda action: (calls.append(action), step(action))[1]
    vector = as_vector_env([own, patched])
    vector.reset(1)
    vector.step(np.zeros(2, int))
    assert own.num_steps == len(calls) == 1


@pytest.mark.parametrize(("limit", "moment"), [(99, "episode 1, step 3"), (1, "episode 3, step 1")])
def test_a_wrong_answer_is_named_at_the_time_limit_as_elsewhere(limit, moment):
    vector = as_vector_env([TimeLimit(Dicing(wrong_at=3), limit)])
    vector.reset(1)
    with pytest.raises(EnvironmentFault, match=f"{moment}: step returned int 7; it has to return five"):
        for _ in range(20):
            vector.step(np.zeros(1, int))


def test_a_fault_after_staggering_names_the_step_of_its_own_environment():
    envs = [Dicing() for _ in range(8)]
    vector = as_vector_env(envs)
    vector.reset_staggered(1, 30)
    env = max(envs, key=lambda env: env.time)
    env.wrong_at, steps = env.answers + 1, env.time + 1
    with pytest.raises(EnvironmentFault, match=rf"episode \d+, step {steps}:"):
        vector.step(np.zeros(8, int))
