"""How rollouts reach the learner and weights reach the actors."""

from hsuanwu.runtime.transport.base import (
    ActorEnd,
    ActorError,
    ActorProgram,
    LearnerEnd,
    StoppedError,
    Transport,
)
from hsuanwu.runtime.transport.local import LocalTransport
from hsuanwu.runtime.transport.process import ProcessTransport
from hsuanwu.runtime.transport.thread import ThreadTransport

__all__ = [
    "ActorEnd",
    "ActorError",
    "ActorProgram",
    "LearnerEnd",
    "LocalTransport",
    "ProcessTransport",
    "StoppedError",
    "ThreadTransport",
    "Transport",
]
