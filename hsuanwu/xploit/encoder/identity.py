"""Observations as they are."""

from __future__ import annotations

from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import Dict, Space, SpaceLike, as_space
from hsuanwu.ops.features import flatten_features, num_features
from hsuanwu.xploit.encoder.base import Encoder


@register("encoder", "identity")
class IdentityEncoder(Encoder):
    """The numbers of an observation in a row, one-hot where they are integers of a Discrete space; nothing is learnt.

    Args:
        observation_space: any space but a Dict, in any form that ``as_space`` takes.
        feature_dim: has no effect; the attribute of that name says how many numbers one observation has.

    Raises:
        ConfigurationError: if the space is a Dict, or has no numbers.

    Example:
        >>> IdentityEncoder({"shape": (2, 3)}, feature_dim=64).feature_dim
        6
    """

    def __init__(self, observation_space: SpaceLike, feature_dim: int) -> None:
        space = as_space(observation_space, "observation_space")
        super().__init__(space, need_numbers("identity", space))

    def forward(self, observation: Nest) -> Tensor:
        return flatten_features(self.observation_space, observation)


def need_numbers(name: str, space: Space) -> int:
    """Return how many numbers an observation has for an encoder that takes them in a row.

    Args:
        name: the encoder's name in the registry.
        space: the observations.

    Raises:
        ConfigurationError: if the space is a Dict, or has no numbers.
    """
    if isinstance(space, Dict):
        raise ConfigurationError(
            f"encoder: {name} needs a space of one array, found a Dict of {', '.join(space.spaces)}; "
            f"use encoder=combined"
        )
    count = num_features(space)
    if count < 1:
        raise ConfigurationError(
            f"encoder: {name} needs at least one number, found shape {space.shape}; "
            f"leave this observation out of the observation_space"
        )
    return count
