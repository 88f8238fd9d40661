"""The known answers of probe environments."""

import gymnasium
import numpy as np
import pytest

import hsuanwu.env.probes
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.env import DmEnvFactory, GymnasiumEnvFactory
from hsuanwu.env.probes import IdentityEnv, MemoryEnv, ValueEnv

KINDS = {
    "discrete": ("Discrete", 1 / 4),
    "multi_discrete": ("MultiDiscrete", (1 / 3 + 1 / 2) / 2),
    "multi_binary": ("MultiBinary", 1 / 2),
    "dict": ("Dict", 1 / 4),
}


def episode_return(env, policy):
    """Return the return of an episode of a single gymnasium environment."""
    observation, _ = env.reset()
    total = 0.0
    while True:
        observation, reward, terminated, truncated, _ = env.step(policy(observation))
        total += reward
        if terminated or truncated:
            return total


@pytest.mark.parametrize("name", [*[name for name, _ in KINDS.values()], "Box"])
def test_identity_best_return_is_100(name):
    env = gymnasium.make(f"hsuanwu.env.probes:HsuanwuIdentity{name}-v0")
    env.reset(seed=1)
    assert episode_return(env, lambda x: x["context"] if name == "Dict" else x) == pytest.approx(100)


@pytest.mark.parametrize("kind", KINDS)
def test_identity_blind_return(kind):
    env = IdentityEnv(kind, num_steps=4000)
    env.reset(seed=1)
    action = np.zeros(env.action_space.shape, int)
    assert episode_return(env, lambda _: action) / 4000 == pytest.approx(KINDS[kind][1], abs=0.03)


def test_identity_box_reward():
    env = IdentityEnv("box")
    context, _ = env.reset(seed=1)
    assert env.step(context + np.float32([0.25, 0]))[1] == pytest.approx((0.75 + 1) / 2)
    context = env._context
    assert env.step(context + np.float32([5, 0]))[1] == pytest.approx(1 / 2)


def test_identity_horizon_and_start():
    env = IdentityEnv("discrete", num_steps=1, start=7)
    context, _ = env.reset(seed=1)
    assert 7 <= context <= 10
    assert env.step(context)[1:4] == (1.0, False, True)


def test_identity_kind_is_checked():
    with pytest.raises(ConfigurationError, match=r"^env.kwargs.kind: found 'disc'"):
        IdentityEnv("disc")


@pytest.mark.parametrize("last_discount, name", [(1.0, "truncated"), (0.0, "terminated")])
def test_identity_dm_env(last_discount, name):
    factory = DmEnvFactory("hsuanwu.env.probes.make_identity_dm_env", {"last_discount": last_discount})
    env = factory(2)
    context, total = env.reset(seed=1), 0
    for _ in range(100):
        step = env.step(context.copy())
        context, total = step.observation, total + step.reward
    assert total.tolist() == [100, 100]
    assert getattr(step, name).all()
    assert not (step.terminated & step.truncated).any()


def test_value_of_a_time_limit():
    env = GymnasiumEnvFactory("hsuanwu.env.probes:HsuanwuTimeLimitValue-v0", {"num_steps": 3})(2)
    assert env.reset(seed=1).tolist() == [[1.0], [1.0]]
    steps = [env.step(np.zeros(2, int)) for _ in range(2)]
    assert not steps[-1].truncated.any()
    step = env.step(np.zeros(2, int))
    assert step.truncated.all()
    assert not step.terminated.any()
    assert step.reward.tolist() == [1, 1]
    assert [ValueEnv().value(step, 0.9) for step in (0, 5)] == pytest.approx([10, 10])


def test_value_of_a_termination():
    env = gymnasium.make("hsuanwu.env.probes:HsuanwuTerminalValue-v0").unwrapped
    observations, rewards, terminated = [env.reset(seed=1)[0]], [], False
    while not terminated:
        observation, reward, terminated, truncated, _ = env.step(0)
        observations.append(observation)
        rewards.append(reward)
        assert not truncated
    np.testing.assert_array_equal(observations, np.eye(6))
    for step in range(6):
        to_come = sum(0.9**k * reward for k, reward in enumerate(rewards[step:]))
        assert env.value(step, 0.9) == pytest.approx(to_come)


@pytest.mark.parametrize("length", [1, 4])
def test_memory(length):
    env = MemoryEnv(length)
    env.reset(seed=3)
    cues, blind_returns = [], []
    for _ in range(40):
        cue, _ = env.reset()
        assert sorted(cue) == [0, 1]
        cues.append(int(cue[1]))
        for step in range(length + 1):
            # before the last step nothing depends on the action
            action = cues[-1] if step == length else 1 - cues[-1]
            observation, reward, terminated, truncated, _ = env.step(action)
            assert not observation.any()
            assert (reward, terminated, truncated) == ((1, True, False) if step == length else (0, False, False))
        blind_returns.append(episode_return(env, lambda _: 0))
    assert 0 < sum(cues) < 40
    assert set(blind_returns) == {-1, 1}


@pytest.mark.parametrize("name", [key for key in gymnasium.registry if key.startswith("Hsuanwu")])
def test_gymnasium_likes_probes(name):
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make(name, disable_env_checker=True)
    assert hsuanwu.env.probes.__doc__
    space = env.action_space
    observation, _ = env.reset(seed=1)
    assert observation in env.observation_space
    for _ in range(5):
        observation, _, terminated, truncated, _ = env.step(space.sample())
        assert observation in env.observation_space
        if terminated or truncated:
            break
    if "Counter" not in name:  # check_env steps after an end, and wants a new array each time
        check_env(gymnasium.make(name).unwrapped, skip_render_check=True)
