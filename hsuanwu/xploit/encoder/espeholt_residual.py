"""The deep residual network of IMPALA."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.frames import FrameConv2d, Frames, linear_layer, need_frames
from hsuanwu.xploit.encoder.reading import Reading, picture_reading


@register("encoder", "espeholt_residual")
class EspeholtResidualEncoder(Encoder):
    """Sections of a convolution, a max-pooling and two residual blocks; then a linear layer.

    Espeholt et al. 2018, "IMPALA" (arXiv 1802.01561), figure 3, right, up to the LSTM: convolutions are 3 x 3 with
    stride 1, the pooling is 3 x 3 with stride 2, and ``feature_dim`` is 256. Pictures are divided as
    ``hsuanwu.ops.features.divisor`` says, bytes by 255.

    Args:
        observation_space: pictures ``[C, H, W]``, or ``[H, W, C]`` where ``hsuanwu.ops.features.is_channels_last`` says
            so, in any form that ``as_space`` takes.
        feature_dim: size of the linear layer; at least 1.
        channels: filters of each section; each section halves height and width.

    Raises:
        ConfigurationError: if the space holds no pictures, or ``channels`` is empty or has a number below 1.

    Example:
        >>> import torch
        >>> encoder = EspeholtResidualEncoder({"shape": (3, 72, 96)}, feature_dim=256)
        >>> encoder(torch.zeros(2, 3, 72, 96, dtype=torch.uint8)).shape
        torch.Size([2, 256])
    """

    def __init__(
        self, observation_space: SpaceLike, feature_dim: int, channels: tuple[int, ...] = (16, 32, 32)
    ) -> None:
        super().__init__(observation_space, feature_dim)
        if len(channels) == 0 or any(count < 1 for count in channels):
            raise ConfigurationError(
                f"encoder.channels: found {tuple(channels)}; use at least one number, each 1 or more"
            )
        shape = need_frames("espeholt_residual", self.observation_space, least=1)
        counts = [shape[0], *channels]
        first = FrameConv2d(self.observation_space, channels[0], kernel_size=3, padding=1)
        sections = [_section(*pair, first if i == 0 else None) for i, pair in enumerate(pairwise(counts))]
        trunk = nn.Sequential(*sections, nn.ReLU(), nn.Flatten())
        linear = linear_layer("espeholt_residual", trunk, shape, feature_dim)
        self.network = nn.Sequential(Frames(self.observation_space), trunk, linear, nn.ReLU())

    def forward(self, observation: Nest) -> Tensor:
        features: Tensor = self.network(observation)
        return features

    def readings(self, is_normalized: bool = False) -> dict[str, Reading]:
        return {"": picture_reading(type(self), self.observation_space, is_normalized)}


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.branch(x)
        return y


def _section(channels: int, next_channels: int, convolution: nn.Conv2d | None) -> nn.Sequential:
    return nn.Sequential(
        convolution or nn.Conv2d(channels, next_channels, kernel_size=3, padding=1),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        _ResidualBlock(next_channels),
        _ResidualBlock(next_channels),
    )
