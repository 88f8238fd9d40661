"""Every factory keeps the shipped contract, and the contract notices environments that break it."""

import numpy as np
import pytest

from hsuanwu.common.registry import options
from hsuanwu.env import AtariEnvFactory, DmEnvFactory, GymnasiumEnvFactory, SerialVectorEnv
from hsuanwu.testing.env import check_vector_env

PROBE = "hsuanwu.env.probes:Hsuanwu"
FACTORIES = {
    "cartpole": GymnasiumEnvFactory("CartPole-v1"),
    "cartpole_serial": GymnasiumEnvFactory("CartPole-v1", native_vector=False),
    "cartpole_memory": GymnasiumEnvFactory(
        "CartPole-v1", wrappers=[{"path": "hsuanwu.env.wrappers.SelectObservation", "kwargs": {"indices": [0, 2]}}]
    ),
    "pendulum": GymnasiumEnvFactory("Pendulum-v1", {"max_episode_steps": 40}),
    **{
        f"probe_{name}": GymnasiumEnvFactory(f"{PROBE}{name}-v0")
        for name in ("IdentityMultiDiscrete", "IdentityMultiBinary", "IdentityBox", "IdentityDict", "Memory", "Counter")
    },
    **{
        f"native_{name}": GymnasiumEnvFactory(f"{PROBE}Counter{name}-v0")
        for name in ("NextStep", "SameStep", "Disabled")
    },
    "start": GymnasiumEnvFactory(f"{PROBE}IdentityDiscrete-v0", {"start": -3}),
    "dm_env": DmEnvFactory("hsuanwu.env.probes.make_identity_dm_env"),
    "dm_env_dict": DmEnvFactory("hsuanwu.env.probes.make_counter_dm_env"),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_contract(name):
    check_vector_env(FACTORIES[name])


@pytest.mark.parametrize("name", ["TimeLimitValue", "TerminalValue"])
def test_contract_without_chance(name):
    check_vector_env(GymnasiumEnvFactory(f"{PROBE}{name}-v0"), is_random=False)


def test_contract_atari():
    pytest.importorskip("ale_py")
    check_vector_env(AtariEnvFactory("pong", max_frames_per_episode=100), num_steps=30)
    check_vector_env(AtariEnvFactory("breakout", repeat_action_probability=0.25, episodic_life=True), 2, num_steps=80)


def test_all_kinds_are_covered():
    assert set(options("env")) == {"atari", "dm_env", "dmc", "gymnasium"}


class Broken:
    """A vector environment with one mistake; can be pickled."""

    def __init__(self, mistake):
        self.mistake = mistake

    def __call__(self, num_envs, render=False):
        env = _Mistaken(GymnasiumEnvFactory(f"{PROBE}Counter-v0")(num_envs), self.mistake)
        return env


class _Mistaken:
    def __init__(self, env: SerialVectorEnv, mistake):
        self._env, self._mistake = env, mistake
        self.num_envs = env.num_envs + (mistake == "num_envs")
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self._ended, self._is_closed, self._calls = np.zeros(env.num_envs, bool), False, 0

    def reset(self, seed):
        self._ended[:] = False
        self._calls += 1
        if self._mistake == "same_seed":
            seed = 0
        if self._mistake == "no_seed":
            seed += 1000 * self._calls
        observation = self._env.reset(seed)
        return observation[:, :2] if self._mistake == "observation_shape" else observation

    def step(self, action):
        mistake, ended = self._mistake, self._ended.copy()
        step = self._env.step(action)
        self._ended = step.terminated | step.truncated
        if mistake == "late_reward":
            step = step._replace(reward=step.reward + ended)
        if mistake == "late_terminated":
            step = step._replace(terminated=step.terminated | ended)
        if mistake == "late_truncated":
            step = step._replace(truncated=step.truncated | ended)
        if mistake == "flag_dtype":
            step = step._replace(terminated=step.terminated.astype(int))
        if mistake == "observation_dtype":
            step = step._replace(observation=step.observation.astype(np.float64))
        if mistake == "uses_ignored_action":
            step = step._replace(observation=step.observation + np.float32(ended * action)[:, None])
        if mistake == "tuple":
            return tuple(step)
        if mistake == "never_ends":
            zero = np.zeros_like(ended)
            return step._replace(terminated=zero, truncated=zero)
        return step

    def render(self): ...

    def close(self):
        assert not (self._is_closed and self._mistake == "close"), "_is_closed"
        self._is_closed = True


@pytest.mark.parametrize(
    "mistake, message",
    [
        ("num_envs", "num_envs is 4"),
        ("observation_shape", "has observations"),
        ("observation_dtype", "has observations of float64"),
        ("flag_dtype", "terminated is int64"),
        ("late_reward", "a reward is not 0"),
        ("late_terminated", "terminated on the step after an end"),
        ("late_truncated", "truncated on the step after an end"),
        ("uses_ignored_action", "an action was not ignored"),
        ("same_seed", "different seeds gave the same stream"),
        ("no_seed", "did not start the same stream"),
        ("tuple", "step returned a tuple"),
        ("never_ends", "no episode ended within 200 steps"),
        ("close", "_is_closed"),
    ],
)
def test_mistakes_are_noticed(mistake, message):
    with pytest.raises(AssertionError, match=message):
        check_vector_env(Broken(mistake))


def test_without_a_mistake_there_is_no_complaint():
    check_vector_env(Broken(None))
