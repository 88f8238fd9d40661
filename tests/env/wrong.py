"""Environments that answer wrongly once, in each of the forms that there are."""

import dm_env
import gymnasium
import numpy as np
from dm_env import specs
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

SPACES = {
    "vector": spaces.Box(-1, 1, (3,), np.float32),
    "picture": spaces.Box(0, 255, (4, 4), np.uint8),
    "count": spaces.Box(-9, 9, (2,), np.int32),
    "phase": spaces.Discrete(4),
}
GOOD = {
    "vector": np.zeros(3, np.float32),
    "picture": np.zeros((4, 4), np.uint8),
    "count": np.zeros(2, np.int32),
    "phase": 1,
}

OBSERVATIONS = {
    "none": ("vector", None),
    "scalar": ("vector", np.float32(0.5)),
    "short": ("vector", np.zeros(1, np.float32)),
    "long": ("vector", np.zeros(4, np.float32)),
    "axis": ("vector", np.zeros((1, 3), np.float32)),
    "ragged": ("vector", [0.5, [1.0, 2.0]]),
    "text": ("vector", "north"),
    "texts": ("vector", np.array(["a", "b", "c"])),
    "complex": ("vector", np.full(3, 1j, np.complex64)),
    "object": ("vector", np.array([None, 0.0, 0.0])),
    "mapping": ("vector", {"x": 0.5}),
    "not_a_number": ("vector", np.array([0, np.nan, 0], np.float32)),
    "infinity": ("vector", np.array([0, 0, np.inf], np.float32)),
    "minus_infinity": ("vector", np.array([-np.inf, 0, 0])),
    "too_large": ("vector", np.array([0, 1e39, 0])),
    "fraction": ("picture", np.full((4, 4), 0.5)),
    "whole_floats": ("picture", np.ones((4, 4), np.float32)),
    "wraps": ("picture", np.full((4, 4), 256)),
    "negative": ("picture", np.full((4, 4), -1, np.int8)),
    "one_number": ("picture", 7),
    "transposed": ("picture", np.zeros((2, 8), np.uint8)),
    "wide": ("count", np.array([0, 2**31])),
    "fractions": ("count", np.array([0.25, 0.75])),
    "unsigned": ("count", np.array([2**32 - 1, 0], np.uint32)),
    "one_too_many": ("phase", 4),
    "minus_one": ("phase", -1),
    "float_phase": ("phase", 1.0),
    "array_phase": ("phase", np.zeros(3, np.int64)),
    "text_phase": ("phase", "1"),
    "none_phase": ("phase", None),
}
ANSWERS = {
    "nothing": None,
    "lacks_a_key": {"vector": GOOD["vector"]},
    "has_a_key_more": {**GOOD, "more": np.zeros(3, np.float32)},
    "no_dict": np.zeros(3, np.float32),
}
REWARDS = {
    "reward_none": None,
    "reward_text": "1.5",
    "reward_list": [1.0],
    "reward_two": np.zeros(2),
    "reward_dict": {"red": 1.0},
    "reward_complex": 1j,
    "reward_nan": np.nan,
    "reward_infinity": np.inf,
    "reward_too_large": 1e39,
}
FLAGS = {"flag_none": None, "flag_text": "no", "flag_nan": np.nan, "flag_one": 1, "flag_two": np.zeros(2, bool)}
IN_BOTH = [*OBSERVATIONS, *ANSWERS]
IN_STEP = [*REWARDS, *FLAGS]


def key_of(what):
    """Return what the error has to name."""
    if what in OBSERVATIONS:
        return f"observation_space.{OBSERVATIONS[what][0]}"
    return {"reward": "reward", "flag": "terminated"}.get(what.split("_")[0], "observation_space")


def observation_of(what):
    if what in OBSERVATIONS:
        key, value = OBSERVATIONS[what]
        return {**GOOD, key: value}
    return ANSWERS.get(what, GOOD)


class Wrong(gymnasium.Env):
    """Answers ``what`` in its third reset, or at its 8th step; episodes of 3 steps."""

    observation_space = spaces.Dict(SPACES)
    action_space = spaces.Discrete(2)

    def __init__(self, what="none", where="step"):
        self.what, self.where = what, where
        self.num_resets = self.num_steps = self.time = 0

    def is_due(self, where):
        return where == self.where and (self.num_resets == 3 if where == "reset" else self.num_steps == 8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.num_resets, self.time = self.num_resets + 1, 0
        return observation_of(self.what) if self.is_due("reset") else GOOD, {}

    def step(self, action):
        self.num_steps, self.time = self.num_steps + 1, self.time + 1
        is_due, is_last = self.is_due("step"), self.time == 3
        observation = observation_of(self.what) if is_due else GOOD
        reward = REWARDS[self.what] if is_due and self.what in REWARDS else 1.0
        return observation, reward, FLAGS[self.what] if is_due and self.what in FLAGS else is_last, False, {}


class WrongVector(gymnasium.vector.VectorEnv):
    """The same as a native vector, which resets itself in the step after an end."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    single_observation_space, single_action_space = spaces.Dict(SPACES), spaces.Discrete(2)

    def __init__(self, num_envs=1, what="none", where="step", **_):
        self.num_envs = num_envs
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self.env = Wrong(what, where)
        self.is_over = False

    def reset(self, *, seed=None, options=None):
        return self.batched(self.env.reset(seed=seed)[0]), {}

    def step(self, actions):
        if self.is_over:
            self.is_over = False
            nothing = [np.zeros(self.num_envs, kind) for kind in (float, bool, bool)]
            return self.batched(self.env.reset()[0]), *nothing, {}
        observation, reward, terminated, _, info = self.env.step(actions[0])
        self.is_over = terminated is True
        flags = [self.batched_value(terminated, False), np.zeros(self.num_envs, bool)]
        return self.batched(observation), self.batched_value(reward, 0.0), *flags, info

    def batched(self, observation):
        if not isinstance(observation, dict):
            return observation
        return {name: self.batched_value(value, GOOD.get(name, value)) for name, value in observation.items()}

    def batched_value(self, value, good):
        """Return an array of the value for each environment, if it has the shape of the good one; else the value."""
        has_shape = not isinstance(value, (dict, list, str)) and value is not None and np.shape(value) == np.shape(good)
        return np.stack([np.asarray(value)] * self.num_envs) if has_shape else value


class WrongDmEnv(dm_env.Environment):
    """The same in dm_env's words."""

    def __init__(self, what, where):
        self.env = Wrong(what, where)

    def observation_spec(self):
        return {
            "vector": specs.BoundedArray((3,), np.float32, -1, 1),
            "picture": specs.BoundedArray((4, 4), np.uint8, 0, 255),
            "count": specs.BoundedArray((2,), np.int32, -9, 9),
            "phase": specs.DiscreteArray(4),
        }

    def action_spec(self):
        return specs.DiscreteArray(2)

    def reset(self):
        return dm_env.restart(self.env.reset()[0])

    def step(self, action):
        observation, reward, terminated, _, _ = self.env.step(action)
        return (dm_env.termination if terminated else dm_env.transition)(reward, observation)


def make(what, where):
    return WrongDmEnv(what, where)


gymnasium.register("Wrong-v0", Wrong)
gymnasium.register("WrongVector-v0", vector_entry_point=WrongVector)

FORMS = {
    "gymnasium": "env=gymnasium env.id=tests.env.wrong:Wrong-v0",
    "native": "env=gymnasium env.id=tests.env.wrong:WrongVector-v0",
    "dm_env": "env=dm_env env.factory=tests.env.wrong.make",
}
