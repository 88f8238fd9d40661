"""Any encoder in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor

from hsuanwu.common.nest import Nest, first_leaf
from hsuanwu.xploit.encoder.base import Encoder


class MixedPrecisionEncoder(Encoder):
    """Another encoder, run under autocast: matrix products and convolutions in ``dtype``, all else in float32.

    The weights stay float32, and so do the features that come out: heads, V-trace and losses never see less.

    Args:
        encoder: the encoder.
        dtype: ``torch.bfloat16``, or ``torch.float32`` for the encoder as it is; so the names of the weights in
            a checkpoint do not depend on the precision.
    """

    def __init__(self, encoder: Encoder, dtype: torch.dtype) -> None:
        super().__init__(encoder.observation_space, encoder.feature_dim)
        self.encoder, self.dtype = encoder, dtype

    def forward(self, observation: Nest) -> Tensor:
        if self.dtype == torch.float32:
            features: Tensor = self.encoder(observation)
            return features
        with torch.autocast(first_leaf(observation).device.type, self.dtype):
            features = self.encoder(observation)
        return features.float()
