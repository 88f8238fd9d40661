"""One encoder for each entry of a Dict space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import Dict, SpaceLike
from hsuanwu.ops.features import is_empty
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.reading import Reading


@register("encoder", "combined")
class CombinedEncoder(Encoder):
    """The features of all entries of a Dict, side by side, through a linear layer and a ReLU.

    Each entry has its default encoder with ``feature_dim`` features; a Dict within the Dict has a combined one. Entries
    without numbers are left out.

    Args:
        observation_space: a Dict space, in any form that ``as_space`` takes.
        feature_dim: size of the linear layer, and of each entry's features; at least 1.

    Raises:
        ConfigurationError: if the space is no Dict, no entry has numbers, or one has too many.

    Example:
        >>> space = {"type": "Dict", "spaces": {"speed": {"shape": (3,)}, "touch": {"shape": (2,)}}}
        >>> CombinedEncoder(space, feature_dim=8)({"speed": torch.zeros(5, 3), "touch": torch.ones(5, 2)}).shape
        torch.Size([5, 8])
    """

    def __init__(self, observation_space: SpaceLike, feature_dim: int) -> None:
        # a Dict within the Dict makes these two need each other
        from hsuanwu.xploit.encoder.default import default_encoder

        super().__init__(observation_space, feature_dim)
        space = self.observation_space
        if not isinstance(space, Dict):
            raise ConfigurationError(
                f"encoder: combined needs a Dict observation_space, found shape {space.shape}; use encoder=mlp"
            )
        # equal spaces may name their entries in another order; weights must not depend on it
        self._names = sorted(name for name, entry in space.spaces.items() if not is_empty(entry))
        if not self._names:
            raise ConfigurationError(f"encoder: combined needs at least one number, found none in {space}")
        encoders: list[Encoder] = []
        for name in self._names:
            try:
                encoders.append(default_encoder(space.spaces[name], feature_dim))
            except ConfigurationError as error:
                cause = str(error).removeprefix("encoder: ")
                raise ConfigurationError(f"encoder: entry {name!r}: {cause}") from error
        # a ModuleList, for names may hold dots
        self.encoders = nn.ModuleList(encoders)
        self.network = nn.Sequential(nn.Linear(feature_dim * len(self._names), feature_dim), nn.ReLU())

    def forward(self, observation: Nest) -> Tensor:
        pairs = zip(self._names, self.encoders, strict=True)
        features: Tensor = self.network(torch.cat([encoder(observation[name]) for name, encoder in pairs], -1))
        return features

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        assert isinstance(self.observation_space, Dict)
        encoders = dict(zip(self._names, self.encoders, strict=True))
        found: dict[str, Reading] = {}
        for name, space in self.observation_space.spaces.items():
            if (encoder := encoders.get(name)) is None:
                found[name] = Reading(space, None, "left out, for it has no numbers")
                continue
            assert isinstance(encoder, Encoder)
            parts = encoder.readings(is_normalized)
            found |= {f"{name}.{part}" if part else name: reading for part, reading in parts.items()}
        return found
