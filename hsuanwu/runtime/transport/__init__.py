"""How rollouts reach the learner and weights reach the actors."""

from hsuanwu.runtime.transport.base import ActorEnd, ActorError, ActorProgram, LearnerEnd, Transport
from hsuanwu.runtime.transport.local import LocalTransport
from hsuanwu.runtime.transport.process import ProcessTransport

__all__ = [
    "ActorEnd",
    "ActorError",
    "ActorProgram",
    "LearnerEnd",
    "LocalTransport",
    "ProcessTransport",
    "Transport",
]
