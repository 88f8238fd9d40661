"""Ways to step a vector environment: at once, or while the caller does something else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from hsuanwu.common.nest import Nest
from hsuanwu.common.protocols import Array, AsyncVectorEnv, DirectVectorEnv, Step, VectorEnv

_JOIN_SECONDS = 10.0


class Stepper(ABC):
    """Takes actions now and gives their outcome later; between ``send`` and ``receive`` nothing else is sent."""

    @abstractmethod
    def send(self, action: Array, observation: Nest) -> None:
        """Begin a step; its observations may be written into the arrays of ``observation``."""

    @abstractmethod
    def receive(self) -> Step:
        """Return the outcome of the step that was begun."""

    @abstractmethod
    def close(self) -> None:
        """Free what the stepper holds; the environment is closed by who built it."""


class SerialStepper(Stepper):
    """Steps at once.

    Args:
        env: the environments.
    """

    def __init__(self, env: VectorEnv) -> None:
        self._step = _step_of(env)
        self._result: Step | None = None

    def send(self, action: Array, observation: Nest) -> None:
        self._result = self._step(action, observation)

    def receive(self) -> Step:
        if self._result is None:
            raise RuntimeError("receive without send")
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        pass


class NativeStepper(Stepper):
    """Lets an environment step in threads of its own.

    Args:
        env: the environments.
    """

    def __init__(self, env: AsyncVectorEnv) -> None:
        self._env = env

    def send(self, action: Array, observation: Nest) -> None:
        self._env.send(action)

    def receive(self) -> Step:
        return self._env.receive()

    def close(self) -> None:
        pass


class ThreadStepper(Stepper):
    """Steps in a thread: worth it where the environment releases the interpreter's lock.

    An environment that hangs does not keep Python alive, as one in a thread of ``concurrent.futures`` would.

    Args:
        env: the environments.
    """

    def __init__(self, env: VectorEnv) -> None:
        self._step = _step_of(env)
        self._tasks: SimpleQueue[tuple[Array, Nest] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Step | BaseException] = SimpleQueue()
        self._is_under_way = False
        self._thread = Thread(target=self._run, name="hsuanwu-step", daemon=True)
        self._thread.start()

    def send(self, action: Array, observation: Nest) -> None:
        self._is_under_way = True
        self._tasks.put((action, observation))

    def receive(self) -> Step:
        if not self._is_under_way:
            raise RuntimeError("receive without send")
        outcome = self._outcomes.get()
        self._is_under_way = False
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def close(self) -> None:
        self._tasks.put(None)
        # a step that is under way may never end
        self._thread.join(_JOIN_SECONDS if self._is_under_way else None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                self._outcomes.put(self._step(*task))
            except BaseException as error:
                self._outcomes.put(error)


def make_stepper(env: VectorEnv, overlap: bool) -> Stepper:
    """Return the fastest stepper for an environment.

    Args:
        env: the environments.
        overlap: whether there is something else to do during a step.
    """
    if not overlap:
        return SerialStepper(env)
    if isinstance(env, AsyncVectorEnv) and env.is_async:
        return NativeStepper(env)
    return ThreadStepper(env)


def _step_of(env: VectorEnv) -> Callable[[Array, Nest], Step]:
    if isinstance(env, DirectVectorEnv):
        return env.step_into
    return lambda action, observation: env.step(action)
