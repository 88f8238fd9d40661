"""Numbers of the last info of an episode."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from hsuanwu.common.errors import EnvironmentFault
from hsuanwu.env import as_vector_env
from hsuanwu.env.info import numbers_of
from tests.env.telling import Telling, TellingVector


class Broken(dict):
    def items(self):
        raise RuntimeError("broken on purpose")


@pytest.mark.parametrize(
    ("info", "numbers"),
    [
        ({}, {}),
        (None, {}),
        ("won", {}),
        (Broken(a=1), {}),
        ({"a": True, "b": np.bool_(False), "c": 3, "d": np.float32(0.5)}, {"a": 1.0, "b": 0.0, "c": 3.0, "d": 0.5}),
        ({"a": np.array([2]), "b": np.array(4.0), "c": np.zeros(2), "d": np.array(["x"])}, {"a": 2.0, "b": 4.0}),
        ({"a": np.nan, "b": np.inf, "c": 1j, "d": 10**400, "e": None, "f": [1]}, {}),
        ({"episode": {"r": 1.0}, "TimeLimit.truncated": True, "_a": 1, 3: 4, "": 1, "x" * 65: 1}, {}),
    ],
)
def test_only_finite_numbers_with_a_name_are_taken(info, numbers):
    assert numbers_of(info) == numbers


def test_no_environment_fills_the_log_with_names():
    assert len(numbers_of({f"x{i}": i for i in range(1000)})) == 32


def told(env, num_steps):
    """Return what is told at each step."""
    env.reset(1)
    return [[(int(i), dict(x)) for i, x in env.step(np.zeros(env.num_envs, np.int64)).infos] for _ in range(num_steps)]


ODD, EVEN = {"is_success": 0.0, "time": 3.0}, {"is_success": 1.0, "time": 3.0}


def test_the_last_step_of_an_episode_tells():
    env = as_vector_env([Telling(), Telling()])
    both = [[(0, numbers), (1, numbers)] for numbers in (EVEN, ODD)]
    assert told(env, 8) == [[], [], both[0], [], [], [], both[1], []]


def test_a_view_of_it_tells_as_well():
    env = as_vector_env([Telling()])
    env.reset(1)
    observation = np.zeros((1, 2), np.float32)
    found = [list(env.step_into(np.zeros(1, np.int64), observation).infos) for _ in range(4)]
    assert found == [[], [], [(0, EVEN)], []]


def test_a_vector_that_resets_within_the_step_tells():
    vector = SyncVectorEnv([Telling], autoreset_mode=AutoresetMode.SAME_STEP)
    assert told(as_vector_env(Wrapped(vector)), 5) == [[], [], [(0, EVEN)], [], []]


def test_a_fault_of_a_native_vector_has_the_name_that_its_factory_gave_it():
    env = as_vector_env(TellingVector())
    env.name = "atari pong"
    env._env.reset = None
    with pytest.raises(EnvironmentFault, match="^env atari pong, reset"):
        env.reset(1)


class Wrapped(gymnasium.vector.VectorWrapper):
    """Not taken apart, as a SyncVectorEnv is."""


def test_a_native_vector_tells_of_those_that_ended():
    first, second = (0, {"is_success": 1.0, "level": 5.0}), (1, {"is_success": 0.0})
    assert told(as_vector_env(TellingVector()), 6) == [[], [first], [second], [], [], [first]]
