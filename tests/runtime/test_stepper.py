"""Steppers give what ``step`` gives, at once or later."""

import subprocess
import sys
import textwrap
import threading
import traceback

import gymnasium
import numpy as np
import pytest

from hsuanwu.common.nest import leaves, map_nest
from hsuanwu.common.protocols import Step
from hsuanwu.env import AtariEnvFactory, NativeVectorEnv, SerialVectorEnv, as_vector_env
from hsuanwu.env.probes import CounterEnv
from hsuanwu.runtime.stepper import NativeStepper, SerialStepper, ThreadStepper, make_stepper
from tests.waiting import PATIENCE, wait_for

ACTION = np.zeros(2, int)


class Plain:
    """A vector environment of the protocol and no more; waits for ``go``, fails on request."""

    num_envs, observation_space, action_space = 2, None, None

    def __init__(self):
        self.thread, self.steps = None, 0
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()
        self.is_broken = False

    def reset(self, seed):
        return np.zeros((2, 1))

    def step(self, action):
        self.begun.set()
        wait_for(self.go, "leave to step")
        self.thread, self.steps = threading.current_thread(), self.steps + 1
        if self.is_broken:
            self.break_down()
        return Step(np.full((2, 1), self.steps), *np.zeros((3, 2)))

    def break_down(self):
        raise OSError("broken on purpose")

    def render(self):
        raise NotImplementedError

    def close(self):
        raise AssertionError("who built it closes it")


class Async(Plain):
    """Steps in threads of its own, it says."""

    is_async = True

    def send(self, action):
        self.sent = action

    def receive(self):
        return self.step(self.sent)


class Picture(gymnasium.ObservationWrapper):
    """Shows the three numbers of a counter as a picture of 12 kB, in one array that all instances share."""

    shown = np.zeros((32, 32, 3), np.float32)

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gymnasium.spaces.Box(-1, np.inf, (32, 32, 3))

    def observation(self, observation):
        self.shown[:] = observation
        return self.shown


@pytest.fixture(params=[SerialStepper, ThreadStepper])
def stepper_class(request):
    return request.param


def test_the_fastest_stepper_is_chosen():
    env = Async()
    assert isinstance(make_stepper(env, overlap=False), SerialStepper)
    assert isinstance(make_stepper(env, overlap=True), NativeStepper)
    env.is_async = False
    for other in (env, Plain()):
        assert isinstance(make_stepper(other, overlap=False), SerialStepper)
        stepper = make_stepper(other, overlap=True)
        assert isinstance(stepper, ThreadStepper)
        stepper.close()


@pytest.mark.parametrize("wrapper", [lambda env: env, Picture], ids=["small", "large"])
def test_rows_land_in_the_memory_of_the_caller(stepper_class, wrapper):
    env, other = (as_vector_env([wrapper(CounterEnv()) for _ in range(3)]) for _ in range(2))
    assert isinstance(env, SerialVectorEnv)
    stepper = stepper_class(env)
    rows = map_nest(lambda x: np.full((13, *x.shape), -7, x.dtype), env.reset(seed=1))
    other.reset(seed=1)
    kept = []
    for t in range(12):
        action, target = np.full(3, t % 3), rows[t]
        stepper.send(action, target)
        found, expected = stepper.receive(), other.step(action)
        assert found.observation is target, "nothing is left to copy"
        for part, right in zip(found, expected, strict=True):
            np.testing.assert_array_equal(part, right)
        kept.append(np.copy(expected.observation))
    stepper.close()
    np.testing.assert_array_equal(rows[:12], kept)
    assert (rows[12] == -7).all()
    assert len({row.tobytes() for row in kept}) > 6, "the rows are not all alike"


def test_a_large_row_is_written_once(monkeypatch):
    env = as_vector_env([Picture(CounterEnv()) for _ in range(2)])
    target = np.zeros_like(env.reset(seed=1))
    own = [np.copy(x) for x in leaves(env._answer.observation)]
    monkeypatch.setattr(np, "copyto", None)
    stepper = SerialStepper(env)
    stepper.send(ACTION, target)
    assert (stepper.receive().observation[:, 0, 0, 2] == 1).all()
    assert all(np.array_equal(x, y) for x, y in zip(leaves(env._answer.observation), own, strict=True))


def test_nothing_is_received_that_was_not_sent(stepper_class):
    stepper = stepper_class(Plain())
    with pytest.raises(RuntimeError, match="receive without send"):
        stepper.receive()
    stepper.send(ACTION, None)
    assert stepper.receive().observation[0, 0] == 1
    with pytest.raises(RuntimeError, match="receive without send"):
        stepper.receive()
    stepper.close()


def test_a_thread_steps_while_the_caller_does_something_else():
    env = Plain()
    env.go.clear()
    stepper = ThreadStepper(env)
    for count in (1, 2):
        stepper.send(ACTION, None)
        wait_for(env.begun, "a step")
        assert env.steps == count - 1
        env.go.set()
        assert stepper.receive().observation[0, 0] == count
        assert env.thread is not threading.current_thread()
        env.begun.clear()
        env.go.clear()
    stepper.close()
    assert not env.thread.is_alive()


def test_a_serial_step_is_over_when_it_is_sent():
    env = Plain()
    SerialStepper(env).send(ACTION, None)
    assert env.steps == 1 and env.thread is threading.current_thread()


@pytest.mark.parametrize("make", [SerialStepper, ThreadStepper, NativeStepper])
def test_an_exception_reaches_the_caller_with_its_traceback(make):
    env = Async()
    env.is_broken = True
    stepper = make(env)
    with pytest.raises(OSError, match="broken on purpose") as caught:
        stepper.send(ACTION, None)
        stepper.receive()
    assert "break_down" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    env.is_broken = False
    stepper.send(ACTION, None)
    assert stepper.receive().observation[0, 0] == 2
    stepper.close()


def test_close_waits_for_the_step_and_ends_the_thread(monkeypatch):
    env = Plain()
    env.go.clear()
    stepper = ThreadStepper(env)
    stepper.send(ACTION, None)
    wait_for(env.begun, "a step")
    join_thread = stepper._thread.join

    def join(seconds):
        env.go.set()  # the step ends when it is waited for, and no sooner
        join_thread(PATIENCE)

    monkeypatch.setattr(stepper._thread, "join", join)
    stepper.close()
    assert env.steps == 1 and not env.thread.is_alive()
    stepper.close()


HANGING = """
    import threading
    from hsuanwu.runtime.stepper import ThreadStepper

    has_begun = threading.Event()

    class Env:
        def step(self, action):
            has_begun.set()
            threading.Event().wait()

    stepper = ThreadStepper(Env())
    stepper.send(None, None)
    has_begun.wait()
    threading.Thread(target=stepper.close, daemon=True).start()
"""


def test_a_step_that_never_ends_does_not_keep_python_alive():
    command = [sys.executable, "-c", textwrap.dedent(HANGING)]
    result = subprocess.run(command, timeout=PATIENCE, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


class TestAtari:
    """The native stepper on the one native vector that steps in threads of its own."""

    @pytest.fixture(autouse=True)
    def ale(self):
        pytest.importorskip("ale_py")

    def test_gives_exactly_what_step_gives(self):
        env, other = (AtariEnvFactory("pong", max_frames_per_episode=120)(3) for _ in range(2))
        stepper = make_stepper(env, overlap=True)
        assert isinstance(env, NativeVectorEnv) and isinstance(stepper, NativeStepper)
        np.testing.assert_array_equal(env.reset(seed=3), other.reset(seed=3))
        rng, num_ends = np.random.default_rng(0), 0
        for _ in range(80):
            action = rng.integers(0, 6, 3)
            stepper.send(action, None)
            found, expected = stepper.receive(), other.step(action)
            for part, right in zip(found, expected, strict=True):
                np.testing.assert_array_equal(part, right)
            num_ends += int(found.truncated.sum())
        assert num_ends >= 3, "episodes ended, and began again"
        stepper.close()
        env.close()
        other.close()

    def test_closes_while_a_step_is_under_way(self):
        env = AtariEnvFactory("pong")(2)
        env.reset(seed=3)
        stepper = make_stepper(env, overlap=True)
        stepper.send(ACTION, None)
        stepper.close()
        env.close()
