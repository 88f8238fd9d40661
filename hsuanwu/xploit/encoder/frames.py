"""What encoders of images share: which spaces hold frames, and how frames enter a convolution."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Space
from hsuanwu.ops.features import is_channels_last

_TENSOR_CORE_CHANNELS = 8
"""Of 16 bits: with four channels, cuDNN takes an algorithm without tensor cores that is ten times slower."""


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
    """Frames as they come, ``[N, C, H, W]`` in the channels-last layout of memory; bytes stay bytes.

    The layout (the shape is channels first all the same) is the fast one for convolutions on CPUs, and for
    tensor cores.

    Args:
        space: the observations; a space of frames.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self._permute = is_channels_last(space.shape)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames for a ``FrameConv2d``."""
        if self._permute:
            frames = frames.permute(0, 3, 1, 2)
        return frames.contiguous(memory_format=torch.channels_last)


class FrameConv2d(nn.Conv2d):
    """A convolution over frames: bytes count as 255ths, other numbers as they are.

    The division is done once, in the weights: a pass over the frames would cost as much as the convolution.
    """

    def forward(self, frames: Tensor) -> Tensor:
        """Return the convolution of ``[N, C, H, W]`` frames of any dtype, in that of the weights or of autocast."""
        device = frames.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else self.weight.dtype
        weight = self.weight / 255 if frames.dtype == torch.uint8 else self.weight
        frames = frames.to(dtype)
        if device == "cuda" and dtype.itemsize < weight.dtype.itemsize:
            frames, weight = _whole_words(frames), _whole_words(weight)
        return functional.conv2d(frames, weight, self.bias, self.stride, self.padding)


def _whole_words(x: Tensor) -> Tensor:
    """Return ``[N, C, H, W]`` with channels of zeros behind, so that they are a multiple of what tensor cores read."""
    missing = -x.shape[1] % _TENSOR_CORE_CHANNELS
    padded = functional.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x
    return padded.contiguous(memory_format=torch.channels_last)


def num_outputs(trunk: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return how many numbers ``trunk`` makes of one frame stack of ``shape``."""
    with torch.no_grad():
        return int(trunk(torch.zeros(1, *shape)).numel())
