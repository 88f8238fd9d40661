"""What a vector of single environments adds to them, and what it leaves as it is."""

import dm_env
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from hsuanwu.common.errors import EnvironmentFault, EnvironmentWarning
from hsuanwu.common.nest import leaves, map_nest
from hsuanwu.env import DmEnvFactory, GymnasiumEnvFactory, SerialVectorEnv, as_vector_env
from hsuanwu.env.probes import CounterEnv, make_counter_dm_env
from hsuanwu.env.serial_vector_env import _LARGE
from hsuanwu.testing.env import random_action
from tests.env.counting import check_counters, triple


class Stranger(gymnasium.Env):
    """Shows its index and its step, by one array that all instances share; ends each third step."""

    observation_space = spaces.Box(-1, 99, (2,))
    shown = np.zeros(2, np.float32)

    def __init__(self, index=0, action_space=None, reward=0.5):
        self.index, self.reward, self.num_steps, self.actions = index, reward, 0, []
        self.action_space = action_space or spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        self.num_steps = 0
        self.shown[:] = self.index, 0
        return self.shown, {}

    def step(self, action):
        self.actions.append(action)
        self.num_steps += 1
        self.shown[:] = self.index, self.num_steps
        return self.shown, self.reward, False, self.num_steps == 3, {}


def test_array_shared_by_environments():
    env = as_vector_env([Stranger(index) for index in range(3)])
    shown = [env.reset(seed=0).tolist()]
    shown += [env.step(np.zeros(3, int)).observation.tolist() for _ in range(4)]
    assert shown == [[[index, step] for index in range(3)] for step in (0, 1, 2, 3, 0)]


class Answers(Stranger):
    """Answers each step in the way that it is told."""

    def __init__(self, *answer):
        super().__init__()
        self.answer = answer

    def step(self, action):
        return self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((np.zeros(2), 1.0, False, {}), "step returned 4 values; it has to return five: observation, reward, term"),
        ((np.zeros(2), 1.0, False, {"cause": "fell"}), "step returned 4 values"),
        ((np.zeros(2), 1.0, False), "step returned 3 values"),
        ((np.zeros(1), 1.0, False, False, {}), "observation_space: the space says shape .2,., but an obs"),
        ((0.0, 1.0, False, False, {}), "observation_space: the space says shape .2,., but an obs"),
    ],
)
@pytest.mark.parametrize("late", [1, 7])
def test_every_answer_of_each_environment_is_checked(answer, message, late):
    """An ``info`` in the place of ``truncated`` would be taken for the end of an episode at every step."""
    env = as_vector_env([Stranger(), Answers(np.zeros(2), 1.0, False, False, {})])
    env.reset(seed=0)
    for _ in range(late - 1):
        env.step(np.zeros(2, int))
    env._envs[1]._env.answer = answer
    with pytest.raises(EnvironmentFault, match=f"^env Answers, environment 1, episode 1, step {late}: {message}"):
        env.step(np.zeros(2, int))


class Unclosable(Stranger):
    closed = 0

    def close(self):
        type(self).closed += 1
        raise OSError(f"{self.index} cannot be closed")


def test_every_environment_is_closed_even_if_one_cannot_be():
    env = as_vector_env([Unclosable(index) for index in range(3)])
    with pytest.warns(EnvironmentWarning, match="^env Unclosable: close raised OSError: . cannot be closed$") as caught:
        env.close()
    assert Unclosable.closed == 3 and len(caught) == 3
    env.close()


@pytest.mark.parametrize(
    "space, kind",
    [
        (spaces.Discrete(3), np.int64),
        (spaces.Discrete(3, start=2), np.int64),
        (spaces.MultiDiscrete([3, 2], dtype=np.int32), np.int32),
        (spaces.MultiBinary(2), np.int8),
        (spaces.Box(-1, 1, (2,)), np.float32),
        (spaces.Box(-1, 1, (2,), np.float64), np.float64),
    ],
)
def test_environments_may_keep_their_actions(space, kind):
    """Each is an array, or a numpy integer, of the space's dtype as ``space.sample()`` is, and stays what it was."""
    singles = [Stranger(index, space) for index in range(2)]
    env = as_vector_env(singles)
    env.reset(seed=0)
    batches = [random_action(env.action_space, 2, seed) for seed in range(3)]
    seen = []
    for batch in batches:
        env.step(batch)
        seen.append([np.copy(single.actions[-1]) for single in singles])
        batch[:] = 0
    for index, single in enumerate(singles):
        assert all(type(action) is type(space.sample()) and action.dtype == kind for action in single.actions)
        np.testing.assert_array_equal(single.actions, [row[index] for row in seen])
    assert len(np.unique(seen)) > 1


@pytest.mark.parametrize("reward", [2, 2.0, np.float64(2), np.array(2.0), np.array(2), True])
def test_kinds_of_rewards(reward):
    env = as_vector_env([Stranger(0), Stranger(1, reward=reward)])
    env.reset(seed=0)
    found = [env.step(np.zeros(2, int)).reward.tolist() for _ in range(5)]
    assert found == [[0.5, float(reward)]] * 3 + [[0, 0]] + [[0.5, float(reward)]]


@pytest.mark.parametrize("num_actions", [1, 3, 0])
def test_wrong_number_of_actions_steps_nothing(num_actions):
    singles = [Stranger(index) for index in range(2)]
    env = as_vector_env(singles)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=f"^env: 2 environments need as many actions .* found {num_actions} and 2$"):
        env.step(np.zeros(num_actions, int))
    with pytest.raises(ValueError, match=r"actions of .* found \(2, 1\)"):
        env.step(np.zeros((2, 1), int))
    assert not singles[0].actions


@pytest.mark.parametrize(
    "env",
    [
        GymnasiumEnvFactory("CartPole-v1", native_vector=False)(2),
        as_vector_env([Stranger(), Stranger()]),
        as_vector_env([make_counter_dm_env(), make_counter_dm_env()]),
    ],
)
def test_step_before_the_first_reset_is_refused(env):
    with pytest.raises(gymnasium.error.ResetNeeded, match="^env: found a step before the first reset"):
        env.step(np.zeros(2, int))
    env.reset(seed=1)
    env.step(np.zeros(2, int))


def test_a_failed_reset_is_tried_again():
    single = Stranger()
    env = as_vector_env([single])
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(1, int))
    single.reset, reset = None, single.reset
    with pytest.raises(EnvironmentFault, match="episode 2, reset: reset raised TypeError"):
        env.step(np.zeros(1, int))
    single.reset = reset
    assert env.step(np.zeros(1, int)).observation.tolist() == [[0, 0]]
    assert len(single.actions) == 3


class Wide(gymnasium.ObservationWrapper):
    """Shows a large picture beside a small integer that does not count from 0."""

    def __init__(self, env):
        super().__init__(env)
        side = int(np.sqrt(_LARGE))
        self.observation_space = spaces.Dict(
            {"nested": spaces.Dict({"kind": spaces.Discrete(200, start=7)}), "picture": spaces.Box(0, 1, (side, side))}
        )

    def observation(self, observation):
        return {
            "nested": {"kind": int(observation[1]) + 7},
            "picture": np.full(self.observation_space["picture"].shape, observation.sum() / 1e6, np.float32),
        }


FACTORIES = {
    "small": GymnasiumEnvFactory("CartPole-v1", native_vector=False),
    "small_dict": DmEnvFactory("hsuanwu.env.probes.make_counter_dm_env"),
    "start": GymnasiumEnvFactory("hsuanwu.env.probes:HsuanwuIdentityDiscrete-v0", {"start": -3}),
    "large": lambda num_envs: as_vector_env([Wide(CounterEnv()) for _ in range(num_envs)]),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_step_into_arrays_of_the_caller(name):
    env, other = FACTORIES[name](3), FACTORIES[name](3)
    assert isinstance(env, SerialVectorEnv)
    rows = map_nest(lambda x: np.full((121, *x.shape), 99, x.dtype), env.reset(seed=1))
    other.reset(seed=1)
    expected, num_ends = [], 0
    for t in range(120):
        action = random_action(env.action_space, 3, t)
        target = map_nest(lambda x, t=t: x[t], rows)
        step, right = env.step_into(action, target), other.step(action)
        assert step.observation is target
        for found, wanted in zip(step[1:], right[1:], strict=True):
            np.testing.assert_array_equal(found, wanted)
        expected.append(map_nest(np.copy, right.observation))
        num_ends += (right.terminated | right.truncated).sum()
    assert num_ends
    for found, wanted in zip(leaves(rows), zip(*map(leaves, expected), strict=True), strict=True):
        np.testing.assert_array_equal(found[:120], wanted)
        assert (found[120] == 99).all()


def test_step_and_step_into_may_take_turns():
    for make in (CounterEnv, lambda: Wide(CounterEnv())):
        env, other = as_vector_env([make(), make()]), as_vector_env([make(), make()])
        target = map_nest(np.zeros_like, env.reset(seed=3))
        other.reset(seed=3)
        for t in range(12):
            action = random_action(env.action_space, 2, t)
            step = env.step(action) if t % 2 else env.step_into(action, target)
            for found, wanted in zip(leaves(step.observation), leaves(other.step(action).observation), strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_too_few_rows_of_the_caller_are_refused():
    env = as_vector_env([Wide(CounterEnv()), Wide(CounterEnv())])
    short = map_nest(lambda x: x[:1].copy(), env.reset(seed=1))
    with pytest.raises(ValueError, match="found 2 and 1$"):
        env.step_into(np.zeros(2, int), short)


class Restarting(dm_env.Environment):
    """A time step says MID by a plain integer, as the values of StepType are."""

    def __init__(self):
        self._env = make_counter_dm_env()

    def reset(self):
        return self._env.reset()

    def step(self, action):
        step = self._env.step(action)
        return step._replace(step_type=int(step.step_type))

    def observation_spec(self):
        return self._env.observation_spec()

    def action_spec(self):
        return self._env.action_spec()


def test_step_types_as_integers():
    env = as_vector_env([Restarting(), Restarting()])
    assert check_counters(env).shape == (2,)
    assert triple(env.reset(seed=1)).shape == (2, 3)


def test_staggered_environments_begin_at_different_steps():
    envs = [Stranger(index) for index in range(40)]
    for env in envs:
        env.shown = np.zeros(2, np.float32)  # its own
    vector = as_vector_env(envs)
    shown = vector.reset_staggered(1, 3).copy()
    assert shown[:, 0].tolist() == list(range(40))
    assert set(shown[:, 1].tolist()) == {0, 1, 2} and [env.num_steps for env in envs] == shown[:, 1].tolist()
    assert np.array_equal(vector.reset_staggered(1, 3), shown), "the same seed, the same steps"
    assert not np.array_equal(vector.reset_staggered(2, 3), shown)
    assert not vector.reset(1)[:, 1].any(), "a plain reset begins at the beginning"


def test_staggered_environments_go_on_from_where_they_are():
    """An episode that ends on the way begins again; none is handed over at its end."""
    vector = as_vector_env([Stranger(index) for index in range(20)])
    steps = vector.reset_staggered(1, 10)[:, 1].copy()
    assert set(steps.tolist()) == {0, 1, 2}
    result = vector.step(np.zeros(20, int))
    assert np.array_equal(result.observation[:, 1], steps + 1) and np.array_equal(result.truncated, steps == 2)


def test_staggering_counts_discrete_observations_from_zero_once():
    class Counting(Stranger):
        observation_space = spaces.Discrete(4, start=5)

        def reset(self, *, seed=None, options=None):
            super().reset()
            return 5, {}

        def step(self, action):
            _, *rest = super().step(action)
            return 5 + self.num_steps, *rest

    vector = as_vector_env([Counting() for _ in range(20)])
    assert set(vector.reset_staggered(3, 3).tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    "action_space", [spaces.Discrete(3, start=-1), spaces.MultiDiscrete([3, 2], start=[4, 1]), spaces.Box(-2, 5, (2,))]
)
def test_staggering_takes_actions_of_the_space(action_space):
    envs = [Stranger(index, action_space) for index in range(20)]
    as_vector_env(envs).reset_staggered(1, 3)
    actions = [action for env in envs for action in env.actions]
    assert len(actions) > 10 and all(action_space.contains(action) for action in actions)
