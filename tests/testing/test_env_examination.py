"""The examination of environments finds what was planted, and finds nothing in a right one."""

import os
import random

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.env import GymnasiumEnvFactory
from hsuanwu.testing import check_env, examine_env
from hsuanwu.testing.env_examination import cured


class Walk(gymnasium.Env):
    """A right environment, and one with a flaw of each kind."""

    action_space = spaces.Discrete(2)

    def __init__(self, flaw=""):
        self.flaw, self.offset = flaw, 0.0
        high = 0.1 if flaw == "bounds" else 30
        self.observation_space = spaces.Box(-high, high, (2,))
        if flaw == "mask":
            box = self.observation_space
            self.observation_space = spaces.Dict({"place": box, "action_mask": spaces.MultiBinary(2)})
        if flaw == "whole_actions":
            self.action_space = spaces.Box(-3, 3, (2,), np.int32)
        if flaw == "folder":
            os.chdir("/")

    def see(self):
        seen = np.array([self.place, self.speed], np.float32)
        if self.flaw == "size":
            seen[0] *= 25
        if self.flaw == "still":
            seen[1] = 0
        return {"place": seen, "action_mask": np.ones(2, np.int8)} if self.flaw == "mask" else seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=None if self.flaw == "unseeded" else 0 if self.flaw == "one_seed" and seed else seed)
        self.time, self.speed = 0, 0.0
        self.place = float(self.np_random.uniform(-1, 1)) + self.offset
        self.offset += 0.01 if self.flaw == "state" else 0.0
        if self.flaw == "global":
            self.place += random.random()
        return self.see(), {}

    def step(self, action):
        self.time += 1
        self.speed = 0.0 if self.flaw == "deaf" else 0.1 * (2 * int(action) - 1)
        self.place += self.speed + float(self.np_random.normal(0, 0.01))
        reward = {"no_reward": 0.0, "large": -500.0}.get(self.flaw, -abs(self.place))
        is_last = self.time == 20 and self.flaw != "endless"
        terminated = (is_last and self.flaw == "deadly") or (abs(self.place) > 2 and self.flaw != "deadly")
        if self.flaw == "wrong" and self.time == 7:
            return self.see()[:1], reward, False, False, {}
        if self.flaw == "raises" and self.time == 7:
            raise ValueError("boom")
        return self.see(), reward, terminated and self.flaw != "endless", is_last and self.flaw != "deadly", {}


gymnasium.register("Walk-v0", Walk)

FLAWS = {
    "bounds": ("doubtful", "bounds"),
    "size": ("doubtful", "size"),
    "still": ("doubtful", "observation"),
    "mask": ("doubtful", "mask"),
    "no_reward": ("doubtful", "reward"),
    "large": ("doubtful", "reward"),
    "endless": ("doubtful", "episodes"),
    "deadly": ("doubtful", "episodes"),
    "unseeded": ("doubtful", "seeds"),
    "one_seed": ("doubtful", "seeds"),
    "state": ("doubtful", "seeds"),
    "global": ("doubtful", "process"),
    "folder": ("doubtful", "process"),
    "deaf": ("doubtful", "actions"),
    "whole_actions": ("wrong", "form"),
    "wrong": ("wrong", "answers"),
    "raises": ("wrong", "code"),
}


def examine(flaw):
    return examine_env(GymnasiumEnvFactory("tests.testing.test_env_examination:Walk-v0", {"flaw": flaw}), 300)


def test_of_a_right_environment_nothing_is_said():
    assert [finding for finding in examine("") if finding.verdict != "right"] == []
    check_env(GymnasiumEnvFactory("CartPole-v1"), 200)


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_found_and_has_a_cure(flaw):
    folder = os.getcwd()
    found = [finding for finding in examine(flaw) if finding.verdict != "right"]
    assert os.getcwd() == folder
    assert FLAWS[flaw] in [(finding.verdict, finding.subject) for finding in found], found
    assert all(finding.cure for finding in found)


def test_what_is_wrong_fails_a_test():
    with pytest.raises(AssertionError, match=r"step 7: observation_space: the space says shape \(2,\)"):
        check_env(GymnasiumEnvFactory("tests.testing.test_env_examination:Walk-v0", {"flaw": "wrong"}))


def single(num_envs):
    return Walk()


def nothing(num_envs):
    return None


NO_FACTORIES = {
    "lambda": lambda num_envs: None,
    "class": Walk,
    "environment": Walk(),
    "number": 3,
    "none": None,
    "makes a single one": single,
    "makes nothing": nothing,
}


@pytest.mark.parametrize("factory", NO_FACTORIES.values(), ids=NO_FACTORIES)
def test_what_is_no_factory_is_told_in_a_line(factory):
    with pytest.raises(ConfigurationError, match=r"factory: .*GymnasiumEnvFactory\('my_module:MyEnv-v0'\)") as caught:
        examine_env(factory, 100)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("flaw", "taken"), [("size", (True, False)), ("large", (False, True))])
def test_a_cure_that_is_taken_is_not_advised_again(flaw, taken):
    doubt = next(finding for finding in examine(flaw) if (finding.verdict, finding.subject) == FLAWS[flaw])
    assert cured(doubt, *taken).verdict == "right" and not cured(doubt, *taken).cure
    assert cured(doubt, *reversed(taken)) is doubt
