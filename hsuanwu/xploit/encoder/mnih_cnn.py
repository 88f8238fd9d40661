"""The convolutional network of DQN."""

from __future__ import annotations

from torch import Tensor, nn

from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.frames import FrameConv2d, Frames, linear_layer, need_frames
from hsuanwu.xploit.encoder.reading import Reading, picture_reading

LEAST_PIXELS = 36
"""Rows and columns that leave one output of the last convolution."""


@register("encoder", "mnih_cnn")
class MnihCnnEncoder(Encoder):
    """Three convolutions and a linear layer, each followed by a ReLU.

    32 filters 8 x 8 stride 4, 64 filters 4 x 4 stride 2, 64 filters 3 x 3 stride 1, without padding: Mnih et
    al. 2015, "Human-level control through deep reinforcement learning" (Nature 518), Methods, where
    ``feature_dim`` is 512. Pictures are divided as ``hsuanwu.ops.features.divisor`` says, bytes by 255.

    Args:
        observation_space: pictures ``[C, H, W]`` of at least 36 x 36 pixels, or ``[H, W, C]`` where
            ``hsuanwu.ops.features.is_channels_last`` says so, in any form that ``as_space`` takes.
        feature_dim: size of the linear layer; at least 1.

    Raises:
        ConfigurationError: if the space holds no pictures, or too small ones.

    Example:
        >>> import torch
        >>> encoder = MnihCnnEncoder({"shape": (4, 84, 84)}, feature_dim=512)
        >>> encoder(torch.zeros(2, 4, 84, 84, dtype=torch.uint8)).shape
        torch.Size([2, 512])
    """

    def __init__(self, observation_space: SpaceLike, feature_dim: int) -> None:
        super().__init__(observation_space, feature_dim)
        shape = need_frames("mnih_cnn", self.observation_space, LEAST_PIXELS)
        trunk = nn.Sequential(
            FrameConv2d(self.observation_space, 32, kernel_size=8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        linear = linear_layer("mnih_cnn", trunk, shape, feature_dim)
        self.network = nn.Sequential(Frames(self.observation_space), trunk, linear, nn.ReLU())

    def forward(self, observation: Nest) -> Tensor:
        features: Tensor = self.network(observation)
        return features

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        return {"": picture_reading(type(self), self.observation_space, is_normalized)}
