"""The small convolutional network of MinAtar."""

from __future__ import annotations

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.frames import FrameConv2d, Frames, linear_layer, need_frames
from hsuanwu.xploit.encoder.reading import Reading, picture_reading

_LEAST_PIXELS = 3


@register("encoder", "minatar_cnn")
class MinAtarCnnEncoder(Encoder):
    """One convolution and a linear layer, each followed by a ReLU, for grids of some ten by ten cells.

    16 filters 3 x 3 stride 1, without padding, as in Young and Tian 2019, "MinAtar" (arXiv 1903.03176), section 3,
    where ``feature_dim`` is 128. Pictures are divided as ``hsuanwu.ops.features.divisor`` says; zeros and ones stay
    what they are.

    Args:
        observation_space: pictures ``[C, H, W]`` of at least 3 x 3 cells, or ``[H, W, C]`` where
            ``hsuanwu.ops.features.is_channels_last`` says so, in any form that ``as_space`` takes.
        feature_dim: size of the linear layer; at least 1.
        num_filters: filters of the convolution; at least 1.

    Raises:
        ConfigurationError: if the space holds no pictures, or too small ones.

    Example:
        >>> import torch
        >>> MinAtarCnnEncoder({"shape": (4, 10, 10)}, feature_dim=128)(torch.zeros(2, 4, 10, 10)).shape
        torch.Size([2, 128])
    """

    def __init__(self, observation_space: SpaceLike, feature_dim: int, num_filters: int = 16) -> None:
        super().__init__(observation_space, feature_dim)
        if num_filters < 1:
            raise ConfigurationError(f"encoder.num_filters: found {num_filters}; use 1 or more")
        shape = need_frames("minatar_cnn", self.observation_space, _LEAST_PIXELS)
        first = FrameConv2d(self.observation_space, num_filters, kernel_size=3)
        trunk = nn.Sequential(first, nn.ReLU(), nn.Flatten())
        linear = linear_layer("minatar_cnn", trunk, shape, feature_dim)
        self.network = nn.Sequential(Frames(self.observation_space), trunk, linear, nn.ReLU())

    def forward(self, observation: Nest) -> Tensor:
        features: Tensor = self.network(observation)
        return features

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        return {"": picture_reading(type(self), self.observation_space, is_normalized)}
