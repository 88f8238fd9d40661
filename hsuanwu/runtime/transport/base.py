"""The interface of transports: how rollouts reach the learner and weights reach the actors."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Protocol

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.common.slot import Slot
from hsuanwu.runtime.weights import Weights

_MOST_SECONDS = 1e6
"""Eleven days; the system counts milliseconds in 31 bits."""

DEFAULT_TIMEOUT = 300.0
"""Seconds that an environment may take for what is asked of it, where nobody says."""

SILENCE_HINT = "raise transport.timeout_seconds, or lower rollout_length or envs_per_actor"


class ActorError(RuntimeError):
    """An actor died.

    Attributes:
        actor: its index.
        reason: its traceback, or how its process ended.
    """

    def __init__(self, actor: int, reason: str) -> None:
        super().__init__(f"actor {actor} died: {reason}")
        self.actor, self.reason = actor, reason

    def __reduce__(self) -> tuple[type, tuple[int, str]]:
        return type(self), (self.actor, self.reason)


def failure_of_actor(actor: int, error: BaseException) -> EnvironmentFault | ActorError:
    """Return what a learner is told of an exception that ended an actor: a fault of its environment as it is."""
    if isinstance(error, EnvironmentFault):
        return error
    return ActorError(actor, traceback.format_exc())


class StoppedError(RuntimeError):
    """What a ``collect`` ends with that was told to stop."""

    def __init__(self) -> None:
        super().__init__("collect: the learner's end was stopped; nothing more can be collected from it")


class ActorEnd(ABC):
    """What an actor holds of a transport."""

    @abstractmethod
    def acquire(self) -> Slot | None:
        """Return a free slot, waiting for one if need be; None means that the actor shall end."""

    @abstractmethod
    def commit(self, slot: Slot) -> None:
        """Give a filled slot to the learner; the actor touches it no more."""

    @abstractmethod
    def weights(self, newer_than: int) -> Weights | None:
        """Return the latest weights, or None where their version is ``newer_than`` or less."""


class LearnerEnd(ABC):
    """What a learner holds of a transport."""

    @abstractmethod
    def collect(self, count: int) -> list[Slot]:
        """Return ``count`` filled slots in the order in which they were committed.

        Raises:
            ActorError: if an actor died.
            EnvironmentFault: if an environment failed.
            TimeoutError: if the actors are silent for longer than the transport allows.
            StoppedError: if ``stop`` was called, before or meanwhile.
        """

    @abstractmethod
    def stop(self) -> None:
        """End a ``collect`` that waits in another thread, and refuse any later one; may be called twice."""

    @abstractmethod
    def release(self, slots: Sequence[Slot]) -> None:
        """Give slots back; their actors get them at once, or as soon as the learner would wait for data.

        More than two batches under way would only wait for the learner, and grow old. Where there are slots for
        more, it is looked whether any have been filled.

        Raises:
            ActorError: if an actor was found dead.
            EnvironmentFault: if an environment was found to have failed.
            StoppedError: if ``stop`` was called meanwhile.
            ValueError: if a slot was released before, or never collected: its actor may be filling it.
        """

    @abstractmethod
    def publish(self, weights: Weights) -> None:
        """Put up new weights for all actors; versions grow by one.

        Raises:
            ValueError: if this version, or a later one, was published before.
        """


class ActorProgram(Protocol):
    """What a transport runs: a generator that fills a slot between one ``yield`` and the next."""

    def run(self, end: ActorEnd, index: int) -> Iterator[None]:
        """Fill slots as actor ``index`` until ``end.acquire`` returns None."""


class Transport(ABC):
    """Runs actors and moves what passes between them and the learner.

    Attributes:
        shares_memory: whether actors live in other processes, so that slots must lie in shared memory.
        is_concurrent: whether actors run while the learner learns.
    """

    shares_memory: bool
    is_concurrent: bool

    @abstractmethod
    def launch(self, actor: ActorProgram, count: int) -> LearnerEnd:
        """Start ``count`` actors and return the learner's end; once only."""

    @abstractmethod
    def close(self) -> None:
        """End all actors. May be called twice, and leaves no process and no shared memory."""


def checked_timeout(timeout_seconds: float) -> float:
    """Return ``timeout_seconds``, for how long all actors together may be silent.

    Raises:
        ConfigurationError: if it is not above 0, or beyond what the system can wait.
    """
    if not 0 < timeout_seconds <= _MOST_SECONDS:
        raise ConfigurationError(
            f"transport.timeout_seconds: found {timeout_seconds}; use a number above 0, {_MOST_SECONDS:,.0f} at most"
        )
    return timeout_seconds


def silence(timeout_seconds: float) -> TimeoutError:
    """Return the error for actors that were silent for so long."""
    return TimeoutError(
        f"the actors were silent for {timeout_seconds:g} s: a step of the environment hangs or is "
        f"very slow; {SILENCE_HINT}"
    )
