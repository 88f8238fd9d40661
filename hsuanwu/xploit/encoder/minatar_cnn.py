"""The small convolutional network of MinAtar."""

from __future__ import annotations

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.frames import FrameConv2d, Frames, need_frames, num_outputs

_LEAST_PIXELS = 3


@register("encoder", "minatar_cnn")
class MinAtarCnnEncoder(Encoder):
    """One convolution and a linear layer, each followed by a ReLU, for grids of some ten by ten cells.

    16 filters 3 x 3 stride 1, without padding, as in Young and Tian 2019, "MinAtar" (arXiv 1903.03176), section 3,
    where ``feature_dim`` is 128.

    Args:
        observation_space: frames ``[C, H, W]`` of at least 3 x 3 cells, in any form that ``as_space`` takes;
            ``[H, W, C]`` is understood where C is 1, 3 or 4.
        feature_dim: size of the linear layer; at least 1.
        num_filters: filters of the convolution; at least 1.

    Raises:
        ConfigurationError: if the space holds no frames, or too small ones.

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
        trunk = nn.Sequential(FrameConv2d(shape[0], num_filters, kernel_size=3), nn.ReLU(), nn.Flatten())
        linear = nn.Linear(num_outputs(trunk, shape), feature_dim)
        self.network = nn.Sequential(Frames(self.observation_space), trunk, linear, nn.ReLU())

    def forward(self, observation: Nest) -> Tensor:
        features: Tensor = self.network(observation)
        return features
