"""A native vector that steps in threads of its own: sent and received, rows are those of a step."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from hsuanwu.common.protocols import AsyncVectorEnv
from hsuanwu.env import AtariEnvFactory, GymnasiumEnvFactory, NativeVectorEnv, as_vector_env
from hsuanwu.env.probes import CounterVectorEnv
from tests.env.counting import check_counters


class AsyncCounters(gymnasium.vector.VectorEnv):
    """Counter environments with ``send`` and ``recv``."""

    def __init__(self, num_envs, autoreset_mode):
        self._env, self._actions = CounterVectorEnv(num_envs, autoreset_mode), None
        self.num_envs, self.metadata = num_envs, self._env.metadata
        self.single_observation_space = self._env.single_observation_space
        self.single_action_space = self._env.single_action_space

    def reset(self, **arguments):
        return self._env.reset(**arguments)

    def step(self, actions):
        raise AssertionError("step is called")

    def send(self, actions):
        assert self._actions is None, "sent twice"
        self._actions = actions

    def recv(self):
        actions, self._actions = self._actions, None
        return self._env.step(actions)


class SendsAndReceives:
    """Steps as an actor that overlaps does."""

    def __init__(self, env):
        self._env, self.num_envs, self.reset = env, env.num_envs, env.reset

    def step(self, action):
        assert self._env.send(action) is None
        return self._env.receive()


@pytest.mark.parametrize("num_envs", [1, 4])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_every_row_is_the_one_that_it_must_be(mode, num_envs):
    env = NativeVectorEnv(AsyncCounters(num_envs, mode))
    assert env.is_async and isinstance(env, AsyncVectorEnv)
    # what has ended is played for one step that nobody sees: it may not be stepped, and it cannot be held back
    stride = 2 if mode is AutoresetMode.DISABLED and num_envs > 1 else 1
    tags = check_counters(SendsAndReceives(env), stride=stride)
    assert (check_counters(SendsAndReceives(env), stride=stride) == tags).all()


def test_a_wrapper_is_not_passed_by():
    class Doubled(gymnasium.vector.VectorRewardWrapper):
        def rewards(self, reward):
            return 2 * reward

        def __getattr__(self, name):
            return getattr(self.env, name)

    env = AsyncCounters(2, AutoresetMode.NEXT_STEP)
    assert callable(Doubled(env).send)
    assert as_vector_env(env).is_async and not as_vector_env(Doubled(env)).is_async


def test_others_are_not_asynchronous():
    assert not NativeVectorEnv(CounterVectorEnv(2, AutoresetMode.NEXT_STEP)).is_async
    assert not GymnasiumEnvFactory("CartPole-v1")(2).is_async


def test_atari_is_asynchronous():
    pytest.importorskip("ale_py")
    for num_envs in (1, 2):
        env = AtariEnvFactory("pong")(num_envs)
        assert isinstance(env, NativeVectorEnv) and env.is_async
        env.close()


def test_both_ways_may_take_turns():
    env, other = (as_vector_env(AsyncCounters(3, AutoresetMode.NEXT_STEP)) for _ in range(2))
    env._env.step = env._env._env.step
    np.testing.assert_array_equal(env.reset(seed=1), other.reset(seed=1))
    other = SendsAndReceives(other)
    for t in range(20):
        action = np.full(3, t % 3)
        found = env.step(action) if t % 2 else SendsAndReceives(env).step(action)
        for part, right in zip(found, other.step(action), strict=True):
            np.testing.assert_array_equal(part, right)
