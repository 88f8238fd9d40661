"""Odd forms of environments: they work, or one line says what would be right."""

import dm_env
import gymnasium
import numpy as np
import pytest
from dm_env import specs
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.common.spaces import Box, Discrete, MultiDiscrete
from hsuanwu.env import GymnasiumEnvFactory, as_vector_env
from hsuanwu.env.action_repeat import ActionRepeat
from hsuanwu.env.probes import CounterVectorEnv


class Plain(gymnasium.Env):
    """Notes the options of its resets and the arguments of its constructor."""

    observation_space, action_space = spaces.Box(-1, 1, (2,)), spaces.Discrete(2)
    options = ()

    def __init__(self, id=0, max_speed=1):
        self.arguments = (id, max_speed)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        Plain.options = (*Plain.options, options)
        if options:
            options["level"] = "taken"
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, True, False, {}


gymnasium.register("Plain-v0", Plain)
PLAIN = "tests.env.test_forms:Plain-v0"


def test_an_argument_may_be_called_id():
    env = GymnasiumEnvFactory(PLAIN, {"id": 3, "max_speed": 7})(1)
    assert env._envs[0]._env.unwrapped.arguments == (3, 7)


def test_each_reset_gets_a_copy_of_its_options(monkeypatch):
    monkeypatch.setattr(Plain, "options", ())
    env = GymnasiumEnvFactory(PLAIN, reset_options={"level": 2})(1)
    env.reset(0)
    for _ in range(4):
        env.step(np.zeros(1, int))
    assert [options for options in Plain.options if options != {"level": "taken"}] == []
    assert len(Plain.options) == 3 and len({id(options) for options in Plain.options}) == 3
    monkeypatch.setattr(Plain, "options", ())
    GymnasiumEnvFactory(PLAIN)(1).reset(0)
    assert Plain.options == (None,)


class Noting(CounterVectorEnv):
    """Notes the options of its resets."""

    def __init__(self, num_envs, mode):
        super().__init__(num_envs, mode)
        self.seen = []

    def reset(self, *, seed=None, options=None):
        self.seen.append(options)
        return super().reset(seed=seed, options=options)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_native_vectors_get_their_options_too(mode):
    env = Noting(1, mode)
    vector = as_vector_env(env, {"level": 2})
    vector.reset(0)
    for _ in range(9):
        vector.step(np.zeros(1, int))
    assert all(options["level"] == 2 for options in env.seen)
    assert len(env.seen) > 1 or mode is not AutoresetMode.DISABLED


class Old(gymnasium.Env):
    observation_space, action_space = spaces.Discrete(2), spaces.Discrete(2)

    def reset(self):
        return 0, {}


class HalfOld(Old):
    def reset(self, seed=None):
        return 0, {}


class OldWrapper(gymnasium.Wrapper):
    def reset(self):
        return self.env.reset()


@pytest.mark.parametrize("env", [Old(), HalfOld(), OldWrapper(Plain()), gymnasium.wrappers.OrderEnforcing(Old())])
def test_a_reset_of_older_form_is_one_line(env):
    with pytest.raises(ConfigurationError, match=r"reset of (Old|HalfOld|OldWrapper) takes .* seed and options"):
        as_vector_env(env)


@pytest.mark.parametrize("missing", ["observation_space", "action_space"])
def test_a_space_that_is_missing_is_one_line(missing):
    env = Plain()
    setattr(env, missing, None)
    with pytest.raises(ConfigurationError, match=f"^env Plain: declares no {missing}; set self.{missing}"):
        as_vector_env(env)


class Eight(CounterVectorEnv):
    def __init__(self, num_envs=1, **_):
        super().__init__(8, AutoresetMode.NEXT_STEP)


gymnasium.register("Eight-v0", vector_entry_point=Eight)


def test_a_vector_of_a_fixed_size_is_one_line():
    with pytest.raises(ConfigurationError, match="8 environments came where num_envs=4 were asked for"):
        GymnasiumEnvFactory("tests.env.test_forms:Eight-v0")(4)
    assert GymnasiumEnvFactory("tests.env.test_forms:Eight-v0")(8).num_envs == 8


@pytest.mark.parametrize(
    ("wrapper", "cure"),
    [
        ("gymnasium.wrappers.NormalizeObservation", "normalize_observation=true"),
        ("gymnasium.wrappers.NormalizeReward", "learner.normalize_reward=true"),
    ],
)
def test_wrappers_with_running_statistics_are_refused(wrapper, cure):
    with pytest.raises(ConfigurationError, match=f"keeps running statistics, .* use {cure}$"):
        GymnasiumEnvFactory("CartPole-v1", wrappers=[wrapper, "gymnasium.wrappers.TimeAwareObservation"])(1)


def test_the_cure_is_named_for_spaces_that_such_a_wrapper_does_not_know():
    with pytest.raises(ConfigurationError, match="NormalizeObservation keeps .* use normalize_observation=true$"):
        GymnasiumEnvFactory("tests.env.wrong:Wrong-v0", wrappers=["gymnasium.wrappers.NormalizeObservation"])(1)


class RunningMeanStd:
    """What wrappers of many libraries keep."""


class Foreign:
    """Wraps an environment in no class of gymnasium's."""

    observation_space, action_space = Plain.observation_space, Plain.action_space

    def __init__(self, env):
        self.inside, self.moments = env, {"both": RunningMeanStd()}

    def reset(self, *, seed=None, options=None):
        return self.inside.reset(seed=seed, options=options)

    def step(self, action):
        return self.inside.step(action)


class AroundForeign(gymnasium.Wrapper):
    def __init__(self, env):
        super().__init__(env)
        self._hidden = Foreign(env)


class AskedFor(AroundForeign):
    """Python keeps the attributes of both as a dict from now on, as it did before 3.11."""

    def __init__(self, env):
        super().__init__(env)
        assert vars(self) and vars(self._hidden)


@pytest.mark.parametrize("wrapper", ["AroundForeign", "AskedFor"])
def test_running_statistics_are_found_wherever_a_wrapper_keeps_them(wrapper):
    with pytest.raises(ConfigurationError, match=r"Foreign keeps .* normalize_observation=true and learner.normalize"):
        GymnasiumEnvFactory(PLAIN, wrappers=[f"tests.env.test_forms.{wrapper}"])(1)


class Watchful(Plain):
    """Counts who asks for its ``__dict__``: Python reads the attributes of such an object more slowly ever after."""

    count = 0

    def __getattribute__(self, name):
        Watchful.count += name == "__dict__"
        return super().__getattribute__(name)


gymnasium.register("Watchful-v0", Watchful)


def test_nobody_makes_an_environment_slower_by_a_look_at_its_attributes():
    env = GymnasiumEnvFactory("tests.env.test_forms:Watchful-v0")(2)
    env.reset(1)
    env.step(np.zeros(2, np.int64))
    assert Watchful.count == 0


def test_a_module_that_hides_another_is_named():
    with pytest.raises(ConfigurationError, match="module json was imported from .*json/__init__.py"):
        GymnasiumEnvFactory("json:MyEnv-v0")(1)


class Script(dm_env.Environment):
    """Plays given time steps after a reset; keeps the actions that it gets."""

    def __init__(self, steps=(), action_spec=None):
        self.steps, self.spec, self.actions = list(steps), action_spec or specs.DiscreteArray(2), []

    def reset(self):
        return self.steps.pop(0) if self.steps else dm_env.restart(np.zeros(2))

    def step(self, action):
        self.spec.validate(action)
        self.actions.append(np.array(action))
        return self.steps.pop(0) if self.steps else dm_env.transition(1.0, np.zeros(2))

    def observation_spec(self):
        return specs.Array((2,), np.float64)

    def action_spec(self):
        return self.spec


@pytest.mark.parametrize(
    ("spec", "space", "shown"),
    [
        (specs.BoundedArray((), np.int32, 0, 3), Discrete(4), [2, 3]),
        (specs.BoundedArray((), np.int64, -1, 1), Discrete(3, -1), [1, 0]),
        (
            specs.BoundedArray((2,), np.int32, [0, 5], [3, 6]),
            MultiDiscrete([4, 2], [0, 5]),
            [[2, 6], [3, 5]],
        ),
        # more choices than their own integers can count
        (specs.BoundedArray((), np.int8, -100, 100), Discrete(201, -100), [100, -100, 81]),
        (specs.BoundedArray((), np.uint8, 0, 255), Discrete(256), [255, 0]),
        (specs.BoundedArray((2,), np.uint8, 0, 255), MultiDiscrete([256, 256]), [[255, 0], [0, 255]]),
    ],
)
def test_bounded_integers_are_as_many_choices(spec, space, shown):
    single = Script(action_spec=spec)
    env = as_vector_env(single)
    assert env.action_space == space
    env.reset(0)
    for native in shown:
        env.step((np.asarray(native) - space.start)[None])
    np.testing.assert_array_equal(single.actions, shown)
    assert {np.asarray(action).dtype for action in single.actions} == {spec.dtype}


@pytest.mark.parametrize(
    "spec",
    [
        specs.BoundedArray((), np.int64, np.iinfo(np.int64).min, np.iinfo(np.int64).max),
        specs.BoundedArray((), np.uint64, 2**63, 2**63 + 3),
        specs.BoundedArray((2,), np.int32, 0, 2**31 - 1),
    ],
)
def test_more_choices_than_a_network_can_have_are_refused(spec):
    with pytest.raises(ConfigurationError, match="env action_space: found integers from .* one output of the network"):
        as_vector_env(Script(action_spec=spec))


def test_actions_far_from_0_stay_apart():
    env = as_vector_env(Script(action_spec=specs.BoundedArray((1,), np.float64, 1e8, 1e8 + 1)))
    assert env.action_space == Box(1e8, 1e8 + 1, (1,), np.float64)
    plain = as_vector_env(Script(action_spec=specs.BoundedArray((1,), np.float64, -1, 1)))
    assert plain.action_space.dtype == np.float32


FIRST, LAST = dm_env.restart(np.zeros(2)), dm_env.termination(1.0, np.zeros(2))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([FIRST, FIRST], "step 1: step returned a FIRST step in the middle of an episode"),
        ([FIRST, None], "step 1: step returned None in the middle"),
        ([FIRST, (np.zeros(2), 1.0, False, {})], "step 1: step returned tuple"),
        ([dm_env.transition(1.0, np.zeros(2))], "reset: reset returned a MID step; it has to return a FIRST"),
        ([np.zeros(2)], "reset: reset returned an array"),
        ([FIRST, LAST._replace(discount=None)], "discount of a LAST step is None"),
        (
            [FIRST, dm_env.TimeStep(dm_env.StepType.LAST, 1.0, np.nan, np.zeros(2))],
            "discount of a LAST step is float nan",
        ),
        ([FIRST, LAST._replace(discount=2.0)], "discount of a LAST step is float 2.0"),
        ([FIRST, dm_env.TimeStep(dm_env.StepType.MID, None, 1.0, np.zeros(2))], "step 1: the reward is None"),
        ([FIRST, LAST._replace(observation=None)], "observation_space: an observation is None"),
    ],
)
def test_time_steps_out_of_order_are_one_line(steps, message):
    env = as_vector_env(Script(steps))
    with pytest.raises(EnvironmentFault, match=f"^env Script, environment 0, episode 1, .*{message}"):
        env.reset(0)
        env.step(np.zeros(1, int))


def test_action_repeat_leaves_the_rewards_of_others_alone():
    reward = np.array(1.0)
    env = ActionRepeat(Script([FIRST, *[dm_env.transition(reward, np.zeros(2))] * 4]), 4)
    env.reset()
    assert env.step(np.int32(0)).reward == 4.0 and reward == 1.0
