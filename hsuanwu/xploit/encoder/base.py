"""The interface of encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.spaces import Space, SpaceLike, as_space
from hsuanwu.xploit.encoder.reading import Reading


class Encoder(nn.Module, ABC):
    """A network from observations to features.

    Args:
        observation_space: the observations, in any form that ``as_space`` takes.
        feature_dim: numbers that describe one observation; at least 1.

    Attributes:
        feature_dim: size of the features; what was asked for, but for encoders that have no choice.

    Raises:
        ConfigurationError: if the encoder does not fit the space, or ``feature_dim`` is less than 1.
    """

    def __init__(self, observation_space: SpaceLike, feature_dim: int) -> None:
        super().__init__()
        if feature_dim < 1:
            raise ConfigurationError(f"feature_dim: found {feature_dim}; use 1 or more")
        self.observation_space: Space = as_space(observation_space, "observation_space")
        self.feature_dim = feature_dim

    @abstractmethod
    def forward(self, observation: Nest) -> Tensor:
        """Return the features of a batch of observations.

        Args:
            observation: ``[N, *shape]`` in the space's dtype; a dict of them for a Dict space.

        Returns:
            ``[N, feature_dim]`` float32.
        """

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        """Return what becomes of each entry of an observation, by its name; the name is empty where there is one alone.

        Args:
            is_normalized: whether numbers of Boxes were normalised before they came here.
        """
        return {"": Reading(self.observation_space, type(self), "")}
