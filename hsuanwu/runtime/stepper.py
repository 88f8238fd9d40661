"""Ways to step a vector environment: at once, or while the caller does something else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from hsuanwu.common.nest import Nest
from hsuanwu.common.protocols import Array, AsyncVectorEnv, DirectVectorEnv, Step, VectorEnv


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

    Args:
        env: the environments.
    """

    def __init__(self, env: VectorEnv) -> None:
        self._step = _step_of(env)
        self._pool = ThreadPoolExecutor(1, "hsuanwu-step")
        self._result: Future[Step] | None = None

    def send(self, action: Array, observation: Nest) -> None:
        self._result = self._pool.submit(self._step, action, observation)

    def receive(self) -> Step:
        if self._result is None:
            raise RuntimeError("receive without send")
        result, self._result = self._result, None
        return result.result()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


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
