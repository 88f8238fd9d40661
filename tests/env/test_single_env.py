"""What environments give, and how it arrives."""

import dm_env
import gymnasium
import numpy as np
import pytest
from dm_env import specs
from gymnasium import spaces

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.common.spaces import Box, Dict
from hsuanwu.env import NativeVectorEnv, as_vector_env


class Recorder(gymnasium.Env):
    """Shows ``shown`` and keeps the actions that it gets."""

    def __init__(self, observation_space, shown, action_space=None):
        self.observation_space, self.shown = observation_space, shown
        self.action_space = action_space or spaces.Discrete(2)
        self.actions = []

    def reset(self, *, seed=None, options=None):
        return self.shown, {}

    def step(self, action):
        self.actions.append(action)
        return self.shown, 0.5, False, False, {}


@pytest.mark.parametrize(
    "action_space",
    [
        spaces.Discrete(3, start=5),
        spaces.MultiDiscrete([3, 2], start=[1, -1]),
        spaces.MultiBinary(3),
        spaces.Box(-1, 1, (2,)),
        spaces.Box(-1, 1, (2,), np.float64),
        spaces.Box(0, 9, (2,), np.int32),
    ],
)
def test_actions_are_of_the_native_space(action_space):
    single = Recorder(spaces.Discrete(2), 0, action_space)
    env = as_vector_env([single])
    env.reset(seed=0)
    for seed in range(20):
        generator = np.random.default_rng(seed)
        if isinstance(action_space, spaces.Box):
            env.step(generator.normal(0, 3, (1, 2)).astype(np.float32))
        else:
            env.step(generator.integers(0, 2, (1, *env.action_space.shape)))
    assert len(single.actions) == 20
    assert all(action in action_space for action in single.actions)


def test_integers_of_observations_count_from_zero():
    space = spaces.Dict(
        {"a": spaces.Discrete(3, start=5), "b": spaces.MultiDiscrete([2, 3], start=[-1, 1]), "c": spaces.Discrete(2)}
    )
    env = as_vector_env([Recorder(space, {"a": 6, "b": np.array([0, 1]), "c": 1}) for _ in range(2)])
    for observation in (env.reset(seed=0), env.step(np.zeros(2, int)).observation):
        assert observation["a"].tolist() == [1, 1]
        assert observation["b"].tolist() == [[1, 0], [1, 0]]
        assert observation["c"].tolist() == [1, 1]


class Sync(gymnasium.vector.SyncVectorEnv):
    """A subclass, so that it stays a native vector."""


def test_integers_of_native_observations_count_from_zero():
    for space, shown, expected in [
        (spaces.Discrete(3, start=5), 6, [1, 1]),
        (spaces.MultiDiscrete([2, 3], start=[-1, 1]), np.array([0, 1]), [[1, 0], [1, 0]]),
    ]:
        env = as_vector_env(Sync([lambda space=space, shown=shown: Recorder(space, shown)] * 2))
        assert isinstance(env, NativeVectorEnv)
        assert env.reset(seed=0).tolist() == expected
        assert env.step(np.zeros(2, int)).observation.tolist() == expected


@pytest.mark.parametrize(
    "space, shown, message",
    [
        (spaces.Box(-1, 1, (4,)), np.zeros(3), r"observation_space: .* shape \(4,\), .* has \(3,\)"),
        (spaces.Box(-1, 1, (4,)), np.zeros(1), r"has \(1,\)"),
        (
            spaces.Box(0, 255, (2,), np.uint8),
            np.array([0.5, 1]),
            "the space says uint8, but an observation has float64",
        ),
        (spaces.Box(-1, 1, ()), "text", "the space says float32, but an observation has <U4: .*text"),
        (spaces.Dict({"a": spaces.Discrete(2)}), {"b": 1}, r"has \['a'\], but an observation is \['b'\]"),
        (spaces.Dict({"a": spaces.Discrete(2)}), 1, "but an observation is int 1"),
        (spaces.Dict({"a": spaces.Box(0, 1, (2,))}), {"a": np.zeros(3)}, "reset: observation_space.a: "),
        (spaces.Text(3), "abc", "^env observation_space: Text spaces are not supported"),
    ],
)
def test_what_contradicts_its_space_is_refused(space, shown, message):
    with pytest.raises((ConfigurationError, EnvironmentFault), match=message):
        as_vector_env([Recorder(space, shown)]).reset(seed=0)


def test_picture_of_the_wrong_form_is_refused():
    env = as_vector_env([Recorder(spaces.Discrete(2), 0)])
    env._envs[0]._env.render = lambda: np.zeros((2, 2))
    with pytest.raises(ConfigurationError, match=r"^env: a picture is \[height, width, 3\] uint8, but"):
        env.render()


class Script(dm_env.Environment):
    """Plays given time steps; keeps the actions that it gets."""

    def __init__(self, steps=(), action_spec=None):
        self._steps, self._action_spec = list(steps), action_spec or specs.DiscreteArray(2)
        self.actions, self.seeds = [], []

    def reset(self):
        return dm_env.restart(np.zeros(2))

    def step(self, action):
        self._action_spec.validate(action)
        self.actions.append(action)
        return self._steps.pop(0) if self._steps else dm_env.transition(1.0, np.zeros(2))

    def observation_spec(self):
        return specs.Array((2,), np.float64)

    def action_spec(self):
        return self._action_spec

    def seed(self, seed):
        self.seeds.append(seed)


def last(discount):
    return dm_env.TimeStep(dm_env.StepType.LAST, 2.0, discount, np.ones(2))


@pytest.mark.parametrize("discount, flags", [(0.0, (True, False)), (1.0, (False, True)), (0.5, (False, True))])
def test_dm_env_last_steps(discount, flags):
    env = as_vector_env([Script([dm_env.transition(1.0, np.zeros(2), 0.9), last(discount)]) for _ in range(2)])
    observation = env.reset(seed=0)
    assert observation.dtype == np.float32
    found = []
    for _ in range(4):
        step = env.step(np.zeros(2, int))
        found.append((step.reward[1], bool(step.terminated[1]), bool(step.truncated[1]), step.observation[1, 0]))
    assert found == [(1, False, False, 0), (2, *flags, 1), (0, False, False, 0), (1, False, False, 0)]


@pytest.mark.parametrize(
    "spec",
    [
        specs.DiscreteArray(3),
        specs.BoundedArray((2,), np.float64, 0.1, 0.7),
        specs.BoundedArray((2,), np.float64, [-0.1, -0.3], [0.1, 0.3]),
        specs.BoundedArray((2,), np.float32, -1, 1),
        specs.Array((2,), np.float64),
    ],
)
def test_dm_env_actions_satisfy_their_spec(spec):
    single = Script(action_spec=spec)
    env = as_vector_env([single])
    env.reset(seed=0)
    for seed in range(20):
        generator = np.random.default_rng(seed)
        is_box = isinstance(env.action_space, Box)
        env.step(generator.normal(0, 3, (1, 2)).astype(np.float32) if is_box else generator.integers(0, 3, 1))
    assert len(single.actions) == 20


def test_dm_env_seed_method_is_used():
    singles = [Script() for _ in range(3)]
    env = as_vector_env(singles)
    env.reset(seed=4)
    env.reset(seed=5)
    seeds = [tuple(single.seeds) for single in singles]
    assert len({seed for pair in seeds for seed in pair}) == 6


def test_dm_env_random_state_is_seeded():
    singles = [Script(), Script()]
    for single in singles:
        single.seed = None
        single.random_state = np.random.RandomState(0)
    env = as_vector_env(singles)
    env.reset(seed=4)
    first = [single.random_state.randint(10**6) for single in singles]
    env.reset(seed=4)
    assert first == [single.random_state.randint(10**6) for single in singles]
    assert first[0] != first[1]


def test_dm_env_without_pictures_is_refused():
    with pytest.raises(ConfigurationError, match="^env: Script cannot draw itself"):
        as_vector_env([Script()]).render()


def test_dm_env_mapping_of_specs_is_a_dict():
    single = Script()
    single.observation_spec = lambda: {"x": specs.Array((2,), np.float64), "y": specs.DiscreteArray(4)}
    assert isinstance(as_vector_env([single]).observation_space, Dict)
