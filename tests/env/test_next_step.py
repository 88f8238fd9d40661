"""Every row of counter environments, on each way into next-step form."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.env import (
    DmEnvFactory,
    GymnasiumEnvFactory,
    NativeVectorEnv,
    SameStepSingleEnv,
    SerialVectorEnv,
    as_vector_env,
)
from hsuanwu.env.probes import CounterEnv, CounterVectorEnv, make_counter_dm_env
from tests.env.counting import check_counters

MODES = {"NextStep": AutoresetMode.NEXT_STEP, "SameStep": AutoresetMode.SAME_STEP, "Disabled": AutoresetMode.DISABLED}


def counter_id(name):
    return f"hsuanwu.env.probes:HsuanwuCounter{name}-v0"


@pytest.mark.parametrize("native_vector", [True, False])
@pytest.mark.parametrize("name", ["", *MODES])
@pytest.mark.parametrize("num_envs", [1, 4])
def test_gymnasium_factory(name, native_vector, num_envs):
    env = GymnasiumEnvFactory(counter_id(name), native_vector=native_vector)(num_envs)
    is_native = native_vector and name in ("NextStep", "Disabled")
    assert isinstance(env, NativeVectorEnv if is_native else SerialVectorEnv)
    stride = 2 if is_native and name == "Disabled" and num_envs > 1 else 1
    tags = check_counters(env, stride=stride)
    assert len(set(tags)) == num_envs
    assert (check_counters(env, seed=7, stride=stride) == tags).all()
    assert (check_counters(env, seed=8, stride=stride) != tags).all()


def test_same_step_is_split_into_native_vectors_of_one():
    env = GymnasiumEnvFactory(counter_id("SameStep"))(3)
    assert all(isinstance(single, SameStepSingleEnv) for single in env._envs)


def test_dm_env_factory():
    env = DmEnvFactory("hsuanwu.env.probes.make_counter_dm_env")(4)
    tags = check_counters(env)
    assert len(set(tags)) == 4
    assert (check_counters(env, seed=7) == tags).all()
    assert (check_counters(env, seed=8) != tags).all()


@pytest.mark.parametrize("mode", MODES.values())
def test_sync_vector_env_is_taken_apart(mode):
    env = as_vector_env(SyncVectorEnv([CounterEnv] * 3, autoreset_mode=mode))
    assert isinstance(env, SerialVectorEnv)
    check_counters(env)


@pytest.mark.parametrize("copy", [True, False])
def test_async_vector_env(copy):
    env = as_vector_env(AsyncVectorEnv([CounterEnv] * 2, copy=copy, context="spawn"))
    check_counters(env, num_steps=30)
    env.close()
    env.close()


class AwayFromZero(gymnasium.vector.VectorObservationWrapper):
    """A vector wrapper, so that what is inside may not be taken out."""

    def observations(self, observations):
        return observations + np.float32([0, 0, 0])


def test_wrapped_vector_stays_wrapped():
    env = as_vector_env(AwayFromZero(SyncVectorEnv([CounterEnv] * 3)))
    assert isinstance(env, NativeVectorEnv)
    check_counters(env)


def test_lists_and_single_environments():
    check_counters(as_vector_env([CounterEnv() for _ in range(3)]))
    check_counters(as_vector_env(CounterEnv()))
    check_counters(as_vector_env([CounterVectorEnv(1, AutoresetMode.SAME_STEP) for _ in range(3)]))
    env = as_vector_env([CounterEnv()])
    assert as_vector_env(env) is env


def test_dm_env_objects():
    check_counters(as_vector_env([make_counter_dm_env(seed) for seed in range(3)]))
    check_counters(as_vector_env(make_counter_dm_env(3)))


def test_reset_in_the_middle_of_episodes():
    env = as_vector_env([CounterEnv() for _ in range(3)])
    for num_steps in (1, 2, 3, 4, 5):  # some of them leave ended environments behind
        check_counters(env, num_steps=num_steps)


@pytest.mark.parametrize(
    "env, message",
    [
        (CounterVectorEnv(2, AutoresetMode.SAME_STEP), "SAME_STEP, which cannot pause one environment"),
        ([CounterVectorEnv(2, AutoresetMode.SAME_STEP)], "a CounterVectorEnv of 2 in a list"),
        ([CounterVectorEnv(1, AutoresetMode.NEXT_STEP)], "only vectors of one environment in mode SAME_STEP"),
        ([], "at least 1 environment, found none"),
        ([CounterEnv(), gymnasium.make("CartPole-v1")], "must have the same spaces"),
        ([CounterEnv(), 3], "found int in a list"),
        ("CartPole-v1", "found str; use a gymnasium.Env"),
        (3, "found int; use a gymnasium.Env"),
    ],
)
def test_refused(env, message):
    with pytest.raises(ConfigurationError, match="^env") as caught:
        as_vector_env(env)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_autoreset_mode_is_refused(monkeypatch):
    env = CounterVectorEnv(2, AutoresetMode.NEXT_STEP)
    env.metadata = {}
    with pytest.raises(ConfigurationError, match="autoreset_mode'\\] is None; it must be one of"):
        as_vector_env(env)
    # metadata of the base class may hold what another class wrote there
    monkeypatch.setitem(gymnasium.vector.VectorEnv.metadata, "autoreset_mode", AutoresetMode.NEXT_STEP)
    del env.metadata
    with pytest.raises(ConfigurationError, match="is None"):
        as_vector_env(env)
    env.metadata = {"autoreset_mode": "NextStep"}
    check_counters(as_vector_env(env))


class Forgetful(CounterVectorEnv.__mro__[1]):
    """In mode SAME_STEP, but without final observations."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self):
        self.num_envs = 1
        self._env = CounterVectorEnv(1, AutoresetMode.SAME_STEP)
        self.single_observation_space = self._env.single_observation_space
        self.single_action_space = self._env.single_action_space

    def reset(self, *, seed=None, options=None):
        return self._env.reset(seed=seed)

    def step(self, actions):
        return (*self._env.step(actions)[:4], {})


def test_same_step_without_final_observation_is_refused():
    env = as_vector_env(Forgetful())
    env.reset(seed=1)
    with pytest.raises(EnvironmentFault, match="gives no info\\['final_obs'\\]"):
        for _ in range(5):
            env.step(np.zeros(1, int))


def test_same_step_reset_in_the_middle_of_an_episode():
    single = SameStepSingleEnv(CounterVectorEnv(1, AutoresetMode.SAME_STEP, lengths=(9,)))
    assert [int(single.reset(seed)[1]) for seed in (3, None, None, 3)] == [0, 1, 2, 0]


class DictSameStep(SyncVectorEnv):
    """A subclass, so that it is not taken apart; its final observations are dicts in an array of objects."""


def make_pair():
    return gymnasium.wrappers.TransformObservation(
        CounterEnv(),
        lambda x: {"tag": x[0], "place": x[1:].copy()},
        gymnasium.spaces.Dict(
            {"tag": gymnasium.spaces.Box(0, np.inf, ()), "place": gymnasium.spaces.Box(0, np.inf, (2,))}
        ),
    )


def test_same_step_with_dict_observations():
    env = as_vector_env([DictSameStep([make_pair], autoreset_mode=AutoresetMode.SAME_STEP) for _ in range(3)])
    check_counters(env)


def test_dict_observations_of_a_native_vector():
    env = as_vector_env(DictSameStep([make_pair] * 3))
    assert isinstance(env, NativeVectorEnv)
    check_counters(env)


class Stale(CounterVectorEnv):
    """In mode NEXT_STEP, but with something beside the first observation of an episode."""

    what = "reward"

    def step(self, actions):
        ended = self._terminated | self._truncated
        answer = dict(zip(("observation", "reward", "terminated", "truncated"), super().step(actions), strict=False))
        answer[self.what] = answer[self.what] + 5 * ended if self.what == "reward" else answer[self.what] | ended
        return *answer.values(), {}


@pytest.mark.parametrize("what", ["reward", "terminated", "truncated"])
def test_what_is_gained_on_the_step_after_an_end_is_refused(what):
    """A vector that resets within the last step, and says otherwise, loses the first reward of each episode."""
    vector = Stale(3, AutoresetMode.NEXT_STEP)
    vector.what = what
    env = as_vector_env(_Stateless(vector))
    env.reset(seed=1)
    with pytest.raises(
        EnvironmentFault, match=r"NEXT_STEP, but the step after the end of an episode gave .* SAME_STEP"
    ):
        for _ in range(100):
            env.step(np.zeros(3, int))


class _Stateless(gymnasium.vector.VectorWrapper):
    """Hides nothing; stands between, as any wrapper of a stranger might."""


def test_read_only_arrays_become_writable():
    class ReadOnly(CounterVectorEnv):
        def step(self, actions):
            observation, *rest = super().step(actions)
            shown = observation.view()
            shown.flags.writeable = False
            return shown, *rest

    env = as_vector_env(ReadOnly(2, AutoresetMode.NEXT_STEP))
    env.reset(seed=1)
    assert env.step(np.zeros(2, int)).observation.flags.writeable
