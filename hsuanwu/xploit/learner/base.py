"""The interface of learners."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from threading import Lock
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from hsuanwu.common.clock import Clock
from hsuanwu.common.nest import Nest
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.xploit.policy.base import Policy


class Learner(ABC):
    """Arithmetic: it turns trajectories into better weights.

    Attributes:
        actor: the policy that acts; kept in evaluation mode, and its tensors stay the same: updates write into them.
        learner: the policy that is trained.
        optimizer: steps the weights of ``learner``.
    """

    actor: Policy
    learner: Policy
    optimizer: Optimizer

    def train(self, training: bool = True) -> None:
        """Put ``learner`` in training mode, or in evaluation mode; ``actor`` stays in evaluation mode."""
        self.learner.train(training)
        self.actor.eval()

    @abstractmethod
    def make_lr_scheduler(self, clock: Clock) -> LRScheduler:
        """Return a scheduler of ``optimizer`` that runs on the environment steps of ``clock``."""

    def scheduled(self, cfgs: Mapping[str, Any], fraction: float) -> Mapping[str, Any]:
        """Return the configuration of the next update: hyper-parameters that follow a schedule have their value.

        Args:
            cfgs: the configuration of the run, as a mapping; not changed.
            fraction: how much of the run is over, in [0, 1].
        """
        del fraction
        return cfgs

    @classmethod
    @abstractmethod
    def update(
        cls,
        cfgs: Any,
        actor_model: Policy,
        learner_model: Policy,
        batch: Trajectory | Mapping[str, Any],
        init_actor_states: Nest,
        optimizer: Optimizer,
        lr_scheduler: LRScheduler | None,
        lock: Lock = ...,
    ) -> dict[str, float]:
        """Learn from one batch, publish the new weights into ``actor_model`` and return metrics."""
