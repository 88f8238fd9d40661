"""The deep residual network of IMPALA."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.frames import FrameConv2d, Frames, need_frames, num_outputs


@register("encoder", "espeholt_residual")
class EspeholtResidualEncoder(Encoder):
    """Sections of a convolution, a max-pooling and two residual blocks; then a linear layer.

    Espeholt et al. 2018, "IMPALA" (arXiv 1802.01561), figure 3, right, up to the LSTM: convolutions are 3 x 3 with
    stride 1, the pooling is 3 x 3 with stride 2, and ``feature_dim`` is 256. Bytes are divided by 255; other
    numbers enter as they are.

    Args:
        observation_space: frames ``[C, H, W]``, in any form that ``as_space`` takes; ``[H, W, C]`` is
            understood where C is 1, 3 or 4.
        feature_dim: size of the linear layer; at least 1.
        channels: filters of each section; each section halves height and width.

    Raises:
        ConfigurationError: if the space holds no frames, or ``channels`` is empty or has a number below 1.

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
        sections = [_section(i, *pair) for i, pair in enumerate(pairwise(counts))]
        trunk = nn.Sequential(*sections, nn.ReLU(), nn.Flatten())
        linear = nn.Linear(num_outputs(trunk, shape), feature_dim)
        self.network = nn.Sequential(Frames(self.observation_space), trunk, linear, nn.ReLU())

    def forward(self, observation: Nest) -> Tensor:
        features: Tensor = self.network(observation)
        return features


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


def _section(index: int, channels: int, next_channels: int) -> nn.Sequential:
    convolution = FrameConv2d if index == 0 else nn.Conv2d
    return nn.Sequential(
        convolution(channels, next_channels, kernel_size=3, padding=1),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        _ResidualBlock(next_channels),
        _ResidualBlock(next_channels),
    )
