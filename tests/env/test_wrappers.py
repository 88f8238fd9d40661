import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.env import ChannelFirstObservation, SelectObservation


def test_select_observation():
    env = SelectObservation(gymnasium.make("CartPole-v1"), [2, 0])
    whole, _ = gymnasium.make("CartPole-v1").reset(seed=1)
    shown, _ = env.reset(seed=1)
    np.testing.assert_array_equal(shown, whole[[2, 0]])
    assert shown in env.observation_space
    np.testing.assert_allclose(env.observation_space.high, [0.41887903, 4.8])


@pytest.mark.parametrize("indices", [[], [4], [-1], [0, 9]])
def test_select_observation_indices_are_checked(indices):
    with pytest.raises(ConfigurationError, match=r"^env.wrappers: SelectObservation has .* use some of 0 to 3"):
        SelectObservation(gymnasium.make("CartPole-v1"), indices)


def image_env(space):
    return gymnasium.wrappers.TransformObservation(
        gymnasium.make("CartPole-v1"), lambda _: np.arange(24, dtype=np.uint8).reshape(2, 3, 4), space
    )


def test_channel_first_observation():
    env = ChannelFirstObservation(image_env(spaces.Box(0, 255, (2, 3, 4), np.uint8)))
    shown, _ = env.reset(seed=1)
    assert env.observation_space == spaces.Box(0, 255, (4, 2, 3), np.uint8)
    assert shown in env.observation_space
    assert all(shown[c, y, x] == 12 * y + 4 * x + c for c in range(4) for y in range(2) for x in range(3))


def test_the_channels_of_stacked_images_lie_behind_each_other():
    env = gymnasium.wrappers.FrameStackObservation(image_env(spaces.Box(0, 255, (2, 3, 4), np.uint8)), 5)
    env = ChannelFirstObservation(env)
    shown, _ = env.reset(seed=1)
    assert env.observation_space == spaces.Box(0, 255, (20, 2, 3), np.uint8) and shown in env.observation_space
    single, _ = ChannelFirstObservation(image_env(spaces.Box(0, 255, (2, 3, 4), np.uint8))).reset(seed=1)
    np.testing.assert_array_equal(shown[-4:], single)
    stacked = np.random.default_rng(0).integers(0, 255, (5, 2, 3, 4), np.uint8)
    flat = env.observation(stacked)
    assert all((flat[4 * i + c] == stacked[i, :, :, c]).all() for i in range(5) for c in range(4))


class Scene(gymnasium.Env):
    """A picture, a vector, a phase and a table of rank 3, and room for all of them."""

    observation_space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (2, 3, 4), np.uint8),
            "place": spaces.Box(-1, 1, (2,)),
            "phase": spaces.Discrete(4),
            "table": spaces.Box(-1, 1, (2, 2, 2)),
        }
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.shown = self.observation_space.sample()
        return self.shown, {}

    def step(self, action):
        return self.shown, 0.0, False, False, {}


@pytest.mark.parametrize("keys", [None, ["camera"]])
@pytest.mark.parametrize("stack", [1, 5])
def test_channels_of_pictures_in_a_dict(keys, stack):
    scene = Scene()
    env = gymnasium.wrappers.FrameStackObservation(scene, stack) if stack > 1 else scene
    env = ChannelFirstObservation(env, keys)
    shown, _ = env.reset(seed=1)
    assert shown in env.observation_space
    assert env.observation_space["camera"] == spaces.Box(0, 255, (4 * stack, 2, 3), np.uint8)
    np.testing.assert_array_equal(shown["camera"][-4:], scene.shown["camera"].transpose(2, 0, 1))
    np.testing.assert_array_equal(shown["place"].reshape(-1, 2)[-1], scene.shown["place"])
    moved = (2 * stack, 2, 2) if keys is None else (stack,) * (stack > 1) + (2, 2, 2)
    assert env.observation_space["table"].shape == moved


@pytest.mark.parametrize("keys", [["place"], ["nothing"], []])
def test_entries_that_are_no_pictures_are_told(keys):
    with pytest.raises(ConfigurationError, match="needs entries that are a Box of rank 3 or 4"):
        ChannelFirstObservation(Scene(), keys)


def test_spaces_are_checked():
    with pytest.raises(ConfigurationError, match="needs a Box of rank 3"):
        ChannelFirstObservation(gymnasium.make("CartPole-v1"))
    with pytest.raises(ConfigurationError, match="needs a Box of rank 1"):
        SelectObservation(image_env(spaces.Box(0, 255, (2, 3, 4), np.uint8)), [0])
