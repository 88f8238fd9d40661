"""The numbers of observations, and nothing learnt."""

from __future__ import annotations

from torch import Tensor

from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike, as_space
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.flat import Flat, need_numbers
from hsuanwu.xploit.encoder.reading import Reading, flat_reading


@register("encoder", "identity")
class IdentityEncoder(Encoder):
    """The numbers of an observation in a row, one-hot where they are integers of a Discrete space; nothing is learnt.

    Numbers of a Box are divided as ``hsuanwu.ops.features.divisor`` says.

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
        self.flat = Flat(space)

    def forward(self, observation: Nest) -> Tensor:
        vectors: Tensor = self.flat(observation)
        return vectors

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        return {"": flat_reading(type(self), self.observation_space, is_normalized)}
