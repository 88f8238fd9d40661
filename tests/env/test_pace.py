"""How many steps are a second."""

import gymnasium
import numpy as np
import pytest

from hsuanwu.env import AtariEnvFactory, DmControlEnvFactory, GymnasiumEnvFactory
from hsuanwu.env.make import as_vector_env
from hsuanwu.env.pace import gymnasium_pace
from hsuanwu.env.probes import make_identity_dm_env


@pytest.mark.parametrize("native", [True, False])
def test_gymnasium_says_it_in_its_metadata(native):
    assert GymnasiumEnvFactory("CartPole-v1", native_vector=native)(2).frames_per_second == 50


class Screens(gymnasium.Env):
    observation_space, action_space = gymnasium.spaces.Box(0, 255, (4, 4, 3), np.uint8), gymnasium.spaces.Discrete(2)


@pytest.mark.parametrize("said", ["fast", None, 0, -3, float("nan"), float("inf"), [30]])
def test_what_is_no_pace_is_none(said):
    env = Screens()
    env.metadata = {"render_fps": said}
    assert gymnasium_pace(env) is None


def test_skipped_frames_count():
    env = Screens()
    env.metadata = {"render_fps": 60}
    assert gymnasium_pace(gymnasium.wrappers.MaxAndSkipObservation(env, 4)) == 15


def test_other_environments_say_what_they_know():
    pytest.importorskip("dm_control")
    assert DmControlEnvFactory("cartpole", "balance", action_repeat=4)(1).frames_per_second == 25
    assert as_vector_env(make_identity_dm_env()).frames_per_second is None


def test_atari_games_run_at_60_frames_a_second():
    pytest.importorskip("ale_py")
    env = AtariEnvFactory("pong", frame_skip=3)(1, render=True)
    assert env.frames_per_second == 20
    env.close()
