"""The multi-layer perceptron."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.flat import Flat, need_numbers
from hsuanwu.xploit.encoder.reading import Reading, flat_reading

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


@register("encoder", "mlp")
class MlpEncoder(Encoder):
    """Linear layers over the numbers of an observation, each followed by an activation, the last one too.

    Numbers of a Box are divided as ``hsuanwu.ops.features.divisor`` says; integers of a Discrete space are one-hot.

    Args:
        observation_space: any space but a Dict, in any form that ``as_space`` takes.
        feature_dim: size of the last layer; at least 1.
        hidden_dims: sizes of the layers before it.
        activation: elu, gelu, leaky_relu, relu, silu or tanh.

    Raises:
        ConfigurationError: if the space is a Dict, a size is less than 1, or the activation is unknown.

    Example:
        >>> import torch
        >>> MlpEncoder({"shape": (4,)}, feature_dim=8)(torch.zeros(5, 4)).shape
        torch.Size([5, 8])
    """

    def __init__(
        self,
        observation_space: SpaceLike,
        feature_dim: int,
        hidden_dims: tuple[int, ...] = (64,),
        activation: str = "tanh",
    ) -> None:
        super().__init__(observation_space, feature_dim)
        if any(size < 1 for size in hidden_dims):
            raise ConfigurationError(f"encoder.hidden_dims: found {tuple(hidden_dims)}; use sizes of 1 or more")
        if activation not in _ACTIVATIONS:
            raise ConfigurationError(f"encoder.activation: found {activation!r}; use {', '.join(_ACTIVATIONS)}")
        sizes = [need_numbers("mlp", self.observation_space), *hidden_dims, feature_dim]
        layers: list[nn.Module] = []
        for size, next_size in pairwise(sizes):
            layers += [nn.Linear(size, next_size), _ACTIVATIONS[activation]()]
        self.flat, self.network = Flat(self.observation_space), nn.Sequential(*layers)

    def forward(self, observation: Nest) -> Tensor:
        features: Tensor = self.network(self.flat(observation))
        return features

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        return {"": flat_reading(type(self), self.observation_space, is_normalized)}
