"""What encoders of images share: which spaces hold frames, and how frames enter a convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Space
from hsuanwu.ops.features import is_channels_last, scale


def frame_shape(space: Space) -> tuple[int, int, int] | None:
    """Return ``(channels, height, width)`` of a space of frames; None if its elements are no frames.

    Frames are a Box of rank 3, channels first. Channels may be last if there are 1, 3 or 4 of them, and more rows
    and columns than that.

    Example:
        >>> frame_shape(Box(0, 255, (84, 96, 3), "uint8"))
        (3, 84, 96)
    """
    if not isinstance(space, Box) or len(space.shape) != 3:
        return None
    first, second, third = space.shape
    return (third, first, second) if is_channels_last(space.shape) else (first, second, third)


def need_frames(name: str, space: Space, least: int) -> tuple[int, int, int]:
    """Return ``(channels, height, width)`` of frames that an encoder can take.

    Args:
        name: the encoder's name in the registry.
        space: the observations.
        least: how many rows and columns the encoder needs.

    Raises:
        ConfigurationError: if the space holds no frames, or too small ones.
    """
    shape = frame_shape(space)
    if shape is not None and min(shape[1:]) >= least and shape[0] >= 1:
        return shape
    if isinstance(space, Dict):
        found, right = f"a Dict of {', '.join(space.spaces)}", "combined"
    else:
        found, right = f"shape {space.shape}", "mlp" if shape is None else "espeholt_residual or encoder=mlp"
    raise ConfigurationError(
        f"encoder: {name} needs frames of at least {least} x {least} pixels, shape (channels, height, width), "
        f"found {found}; use encoder={right}"
    )


class Frames(nn.Module):
    """Frames as they come, as float32 ``[N, C, H, W]`` in the channels-last layout of memory.

    Bytes are divided by 255. The layout (the shape is channels first all the same) is the fast one for
    convolutions on CPUs, and for tensor cores.

    Args:
        space: the observations; a space of frames.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self._permute = is_channels_last(space.shape)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames for a convolution."""
        if self._permute:
            frames = frames.permute(0, 3, 1, 2)
        return scale(frames.contiguous(memory_format=torch.channels_last))


def num_outputs(trunk: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return how many numbers ``trunk`` makes of one frame stack of ``shape``."""
    with torch.no_grad():
        return int(trunk(torch.zeros(1, *shape)).numel())
