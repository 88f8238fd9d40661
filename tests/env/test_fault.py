"""Whatever leaves an environment's code is told as its fault; a real interrupt passes."""

import pickle
import signal

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from hsuanwu.common import deadline as deadlines
from hsuanwu.common.deadline import deadline
from hsuanwu.common.errors import ConfigurationError, EnvironmentFault, EnvironmentWarning
from hsuanwu.common.interrupts import Interrupted, Terminated
from hsuanwu.env import GymnasiumEnvFactory, as_vector_env
from hsuanwu.env.fault import shown
from tests.env import constructors


class SpeechlessError(Exception):
    def __str__(self):
        raise RuntimeError("no message")


class UnpicklableError(Exception):
    def __reduce__(self):
        raise TypeError("cannot be pickled")


RAISED = {
    "ValueError": lambda: ValueError("boom"),
    "SystemExit": lambda: SystemExit(0),
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(3),
    "TimeoutError": lambda: TimeoutError("late"),
    "FloatingPointError": lambda: FloatingPointError("nan"),
    "BrokenPipeError": lambda: BrokenPipeError(32, "broken"),
    "ConfigurationError": lambda: ConfigurationError("learner.lr: not ours"),
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("deep"),
    "AssertionError": AssertionError,
    "SpeechlessError": SpeechlessError,
    "UnpicklableError": lambda: UnpicklableError("x"),
    "KeyboardInterrupt": KeyboardInterrupt,
    "Interrupted": Interrupted,
    "Terminated": Terminated,
}
OURS = ("KeyboardInterrupt", "Interrupted", "Terminated")
THEIRS = [name for name in RAISED if name not in OURS]


class Raises(gymnasium.Env):
    """Raises in its second reset, its third step, or when it is closed."""

    observation_space, action_space = spaces.Box(-1, 1, (2,)), spaces.Discrete(2)

    def __init__(self, error="", where="step"):
        self.error, self.where, self.num_steps, self.num_resets = error, where if error else "", 0, 0
        if self.where == "init":
            raise RAISED[error]()

    def reset(self, *, seed=None, options=None):
        self.num_resets += 1
        if self.where == "reset" and self.num_resets == 2:
            raise RAISED[self.error]()
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.num_steps += 1
        if self.where == "step" and self.num_steps == 3:
            raise RAISED[self.error]()
        return np.zeros(2, np.float32), 0.0, self.num_steps % 2 == 0, False, {}

    def close(self):
        if self.where == "close":
            raise RAISED[self.error]()


gymnasium.register("Raises-v0", Raises)


def play(env):
    env.reset(seed=0)
    for _ in range(6):
        env.step(np.zeros(env.num_envs, int))


@pytest.mark.parametrize("error", THEIRS)
@pytest.mark.parametrize(("where", "moment"), [("step", "episode 2, step 1"), ("reset", "episode 2, reset")])
def test_exceptions_are_faults(error, where, moment):
    env = as_vector_env([Raises(), Raises(error, where)])
    with pytest.raises(EnvironmentFault) as caught:
        play(env)
    line, *trace = str(caught.value).splitlines()
    assert line.startswith(f"env Raises, environment 1, {moment}: {where} raised {error}")
    if error != "SpeechlessError":
        assert trace[0].endswith("Traceback (most recent call last):") and "test_fault.py" in trace[1], (
            "ours is left out"
        )
        assert not any("serial_vector_env" in part for part in trace)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("error", THEIRS)
def test_exceptions_of_a_constructor_are_faults(error):
    with pytest.raises(EnvironmentFault, match="raised ") as caught:
        GymnasiumEnvFactory("tests.env.test_fault:Raises-v0", {"error": error, "where": "init"})(1)
    assert "tests/env/test_fault.py" in str(caught.value) or error == "SpeechlessError"


@pytest.mark.parametrize("error", THEIRS)
def test_a_failure_to_close_is_a_warning(error):
    env = as_vector_env([Raises(error, "close")])
    with pytest.warns(EnvironmentWarning, match="^env Raises: close raised "):
        env.close()


def test_arguments_that_a_constructor_does_not_take_are_a_mistake_in_the_configuration():
    with pytest.raises(ConfigurationError, match="env.kwargs: .* unexpected keyword argument 'speed'"):
        GymnasiumEnvFactory("tests.env.test_fault:Raises-v0", {"speed": 3})(1)


@pytest.mark.parametrize("error", ["Interrupted", "Terminated"])
@pytest.mark.parametrize("where", ["step", "reset"])
def test_interrupts_pass(error, where):
    with pytest.raises((Interrupted, Terminated)):
        play(as_vector_env([Raises(error, where)]))


def test_an_interrupt_that_an_environment_raises_itself_is_a_fault():
    handler = signal.signal(signal.SIGINT, lambda *_: None)  # of a program of ours, which raises Interrupted
    try:
        with pytest.raises(EnvironmentFault, match="step raised KeyboardInterrupt"):
            play(as_vector_env([Raises("KeyboardInterrupt")]))
    finally:
        signal.signal(signal.SIGINT, handler)
    with pytest.raises(KeyboardInterrupt):
        play(as_vector_env([Raises("KeyboardInterrupt")]))


class Hangs(Raises):
    """Hangs in its first step until the alarm of a deadline goes off, which it does at once."""

    def step(self, action):
        deadlines.current.let_expire()


def test_a_hang_is_a_fault_that_says_where():
    with deadline(1000.0, "be patient"), pytest.raises(EnvironmentFault) as caught:
        play(as_vector_env([Hangs()]))
    line, *trace = str(caught.value).splitlines()
    assert line.endswith("episode 1, step 1: step did not answer within 1000 s; be patient")
    assert any("deadlines.current.let_expire()" in line for line in trace)


def test_values_are_shown_in_a_few_words():
    class Odd:
        def __repr__(self):
            raise ValueError

    assert [shown(x) for x in (None, 1, np.zeros((2, 3)), "n" * 99, Odd())] == [
        "None",
        "int 1",
        "an array of shape (2, 3) and dtype float64",
        f"str '{'n' * 56}...",
        "Odd",
    ]


@pytest.mark.parametrize("how", constructors.FAILURES)
@pytest.mark.parametrize("part", ["environment", "wrapper"])
def test_a_constructor_that_fails_in_its_own_code_shows_where(part, how):
    """An error of a kind that a wrong argument raises, too, is no wrong argument."""
    module = constructors.__name__
    if part == "environment":
        factory = GymnasiumEnvFactory(f"{module}:FailsWhenBuilt-v0", {"how": how})
    else:
        factory = GymnasiumEnvFactory(
            "CartPole-v1", wrappers=[{"path": f"{module}.FailsAround", "kwargs": {"how": how}}]
        )
    with pytest.raises(EnvironmentFault, match="the constructor") as caught:
        factory(1)
    assert "constructors.py" in str(caught.value) and "FAILURES[how]()" in str(caught.value)
    assert "environment creator" not in str(caught.value), "what gymnasium adds is not the environment's"


@pytest.mark.parametrize("kwargs", [{}, {"hwo": "a type"}, {"how": "a type", "more": 1}])
def test_arguments_that_a_constructor_does_not_take_are_one_line(kwargs):
    with pytest.raises(ConfigurationError, match=r"^env.kwargs: .*cannot be built with .*Fails.__init__\(\)"):
        GymnasiumEnvFactory(f"{constructors.__name__}:FailsWhenBuilt-v0", kwargs)(1)
    wrappers = [{"path": f"{constructors.__name__}.FailsAround", "kwargs": kwargs}]
    with pytest.raises(ConfigurationError, match=r"^env.wrappers: .*cannot wrap .*FailsAround.__init__\(\)"):
        GymnasiumEnvFactory("CartPole-v1", wrappers=wrappers)(1)
