"""Any encoder in bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from hsuanwu.common.nest import Nest, first_leaf
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.reading import Reading

_LARGE = 2**16
"""Numbers in a weight that take longer to convert than it takes to use a converted copy."""


class MixedPrecisionEncoder(Encoder):
    """Another encoder, run under autocast: matrix products and convolutions in ``dtype``, all else in float32.

    The weights stay float32, and so do the features that come out: heads, V-trace and losses never see less.
    On the CPU, without gradients, large weights of linear layers are converted once and not in each call, until they
    change.

    Args:
        encoder: the encoder.
        dtype: ``torch.bfloat16``, or ``torch.float32`` for the encoder as it is; so the names of the weights in
            a checkpoint do not depend on the precision.
    """

    def __init__(self, encoder: Encoder, dtype: torch.dtype) -> None:
        super().__init__(encoder.observation_space, encoder.feature_dim)
        self.encoder, self.dtype = encoder, dtype
        self._converted = _Converted()

    def forward(self, observation: Nest) -> Tensor:
        if self.dtype == torch.float32:
            features: Tensor = self.encoder(observation)
            return features
        device = first_leaf(observation).device.type
        with torch.autocast(device, self.dtype):
            if torch.is_grad_enabled() or device != "cpu":  # elsewhere a call may be recorded, conversions with it
                features = self.encoder(observation)
            else:
                weights = self._converted.weights(self.encoder, self.dtype)
                features = functional_call(self.encoder, weights, (observation,))
        return features.float()

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        return self.encoder.readings(is_normalized)


class _Converted:
    """Large weights of linear layers in another dtype: what autocast would make of them in each call."""

    def __init__(self) -> None:
        self._stamp: tuple[Any, ...] = ()
        self._sources: dict[str, Tensor] = {}  # kept, so that no other weight gets the identity of one of them
        self._weights: dict[str, Tensor] = {}

    def weights(self, network: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return them by name, as they are now."""
        layers = [(name, layer.weight) for name, layer in network.named_modules() if type(layer) is nn.Linear]
        large = {f"{name}.weight": weight for name, weight in layers if weight.numel() >= _LARGE}
        stamp = tuple((id(weight), weight.data_ptr(), weight._version) for weight in large.values())
        if stamp != self._stamp:
            self._weights = {name: weight.to(dtype) for name, weight in large.items()}
            self._stamp, self._sources = stamp, large
        return self._weights

    def __reduce__(self) -> tuple[type[_Converted], tuple[()]]:
        return _Converted, ()  # neither copied nor pickled: a copy's weights are its own
