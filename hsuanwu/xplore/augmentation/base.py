"""The interface of augmentations."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from hsuanwu.common.nest import Nest
from hsuanwu.common.spaces import Space, SpaceLike, as_space


class Augmentation(nn.Module, ABC):
    """A random change of observations that keeps their meaning; applied by a learner, never by an actor.

    Args:
        observation_space: the observations, in any form that ``as_space`` takes.

    Raises:
        ConfigurationError: if the augmentation does not fit the space.
    """

    def __init__(self, observation_space: SpaceLike) -> None:
        super().__init__()
        self.observation_space: Space = as_space(observation_space, "observation_space")

    @abstractmethod
    def forward(self, observation: Nest) -> Nest:
        """Return observations of the same shapes and dtypes, ``[N, ...]``."""
