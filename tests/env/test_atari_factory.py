import os
import sys

import numpy as np
import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.env import AtariEnvFactory


def random_actions(env, num_steps):
    return np.random.default_rng(0).integers(0, env.action_space.n, (num_steps, env.num_envs))


def test_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(
        ConfigurationError, match=r"^env.game: ale-py is not installed; pip install 'hsuanwu\[atari\]'$"
    ):
        AtariEnvFactory("pong")(1)


@pytest.mark.parametrize(
    "name, value",
    [
        ("frame_skip", 0),
        ("frame_stack", 0),
        ("image_size", 0),
        ("noop_max", -1),
        ("max_frames_per_episode", 0),
        ("num_threads", 0),
        ("repeat_action_probability", 2.0),
    ],
)
def test_arguments_are_checked(name, value):
    with pytest.raises(ConfigurationError, match=rf"^env.{name}: found {value}"):
        AtariEnvFactory("pong", **{name: value})


class TestWithAle:
    @pytest.fixture(autouse=True)
    def ale(self):
        pytest.importorskip("ale_py")

    def test_spaces(self):
        env = AtariEnvFactory("pong")(2)
        assert env.observation_space == Box(0, 255, (4, 84, 84), np.uint8)
        assert env.action_space == Discrete(6)
        assert AtariEnvFactory("pong", full_action_space=True)(1).action_space == Discrete(18)
        shaped = AtariEnvFactory("pong", frame_stack=3, image_size=64)(1)
        assert shaped.reset(seed=1).shape == (1, 3, 64, 64)

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems have no priority of a thread")
    @pytest.mark.parametrize(("num_threads", "lower"), [(None, 0), (1, 0), (2, 10)])
    def test_threads_of_a_vector_give_way_where_there_are_several(self, num_threads, lower):
        def niceness():
            return {int(x): os.getpriority(os.PRIO_PROCESS, int(x)) for x in os.listdir("/proc/self/task")}

        before = niceness()
        env = AtariEnvFactory("pong", num_threads=num_threads)(3)
        env.reset(seed=1)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        started = [value for thread, value in niceness().items() if thread not in before]
        assert started == [min(19, own + lower)] * (num_threads or 1)
        env.close()

    def test_reward_is_not_clipped(self):
        env = AtariEnvFactory("ms_pacman")(4)
        env.reset(seed=1)
        assert max(env.step(action).reward.max() for action in random_actions(env, 100)) >= 10

    def test_fire_on_reset(self):
        first = [AtariEnvFactory("breakout", noop_max=0, fire_on_reset=fire)(1) for fire in (True, False)]
        for env in first:
            env.reset(seed=1)
        frames = [[env.step(np.zeros(1, int)).observation.copy() for _ in range(20)] for env in first]
        assert not np.array_equal(*frames)

    def test_episode_length_and_truncation(self):
        env = AtariEnvFactory("pong", max_frames_per_episode=100, noop_max=0, frame_skip=4)(2)
        env.reset(seed=1)
        ended = [np.copy(env.step(np.zeros(2, int)).truncated) for _ in range(60)]
        assert np.argmax(ended, 0).tolist() == [24, 24]
        assert not env.step(np.zeros(2, int)).terminated.any()

    @pytest.mark.parametrize(
        "arguments",
        [
            {"game": "pong", "max_frames_per_episode": 300},
            {"game": "breakout", "repeat_action_probability": 0.25, "episodic_life": True},
        ],
    )
    def test_picture_shows_environment_0(self, arguments):
        env = AtariEnvFactory(**arguments)(3, render=True)
        plain = AtariEnvFactory(**arguments)(3)
        np.testing.assert_array_equal(env.reset(seed=5), plain.reset(seed=5))
        num_ends, errors = 0, []
        for action in random_actions(env, 250):
            step, other = env.step(action), plain.step(action)
            for found, expected in zip(step, other, strict=True):
                np.testing.assert_array_equal(found, expected)
            num_ends += bool(step.terminated[0] | step.truncated[0])
            errors.append(self.difference(env.render(), step.observation[0, -1]))
        assert num_ends >= 2
        assert max(errors) < 4
        # the test above can tell: another environment's frames differ from the picture
        assert self.difference(env.render(), env.step(np.zeros(3, int)).observation[1, -1]) > 0
        env.close()
        env.close()

    @staticmethod
    def difference(picture, frame):
        """Return the mean difference of brightness between a colour screen and an 84 x 84 grey frame."""
        assert picture.shape == (210, 160, 3)
        assert picture.dtype == np.uint8
        grey = picture @ np.array([0.299, 0.587, 0.114])
        rows, columns = np.arange(84) * 210 // 84, np.arange(84) * 160 // 84
        return abs(grey[rows][:, columns].mean() - frame.mean())

    def test_four_seeds_give_four_streams(self):
        env = AtariEnvFactory("pong")(2)
        actions = random_actions(env, 30)
        streams = []
        for seed in (1, 2, 3, 4):
            env.reset(seed)
            streams.append(np.stack([env.step(action).observation.copy() for action in actions]).tobytes())
        assert len(set(streams)) == 4

    @pytest.mark.parametrize(
        "game, message",
        [
            ("pnog", "env.game: 'pnog' is unknown; did you mean 'pong'?"),
            ("MsPacman", "env.game: 'MsPacman' is unknown; did you mean 'ms_pacman'?"),
            ("xyzxyzxyz", "names are in snake_case, as in 'ms_pacman'"),
            ("combat", "env.game: ale-py has the ROM of combat, but cannot play it"),
        ],
    )
    def test_unknown_games(self, game, message):
        with pytest.raises(ConfigurationError) as caught:
            AtariEnvFactory(game)(1)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
