"""Parts of encoders that read pictures: which spaces hold them, and how they enter a convolution."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Space
from hsuanwu.ops.features import divisor, is_channels_last, picture_shape

_TENSOR_CORE_CHANNELS = 8
"""Of 16 bits: with four channels, cuDNN takes an algorithm without tensor cores that is ten times slower."""
_MOST_WEIGHTS = 2**30
"""In one layer: 4 GB, of which a run holds several copies."""


def need_frames(name: str, space: Space, least: int) -> tuple[int, int, int]:
    """Return ``(channels, height, width)`` of pictures that an encoder can take.

    Args:
        name: the encoder's name in the registry.
        space: the observations.
        least: how many rows and columns the encoder needs.

    Raises:
        ConfigurationError: if the space holds no pictures, or too small ones.
    """
    shape = picture_shape(space)
    if shape is not None and min(shape[1:]) >= least:
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
    """Pictures as they come, ``[N, C, H, W]`` in the channels-last layout of memory; bytes stay bytes.

    The layout (the shape is channels first all the same) is the fast one for convolutions on CPUs, and for
    tensor cores.

    Args:
        space: the observations; a space of pictures.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self._permute = is_channels_last(space.shape)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the pictures for a ``FrameConv2d``."""
        if self._permute:
            frames = frames.permute(0, 3, 1, 2)
        return frames.contiguous(memory_format=torch.channels_last)


class FrameConv2d(nn.Conv2d):
    """A convolution over pictures, divided as ``hsuanwu.ops.features.divisor`` says.

    The division is done once, in the weights: a pass over the pictures would cost as much as the convolution.

    Args:
        space: the observations; a space of pictures.
        filters: channels that come out.
        kernel_size: rows and columns of a filter.
        stride: pixels from one place to the next.
        padding: rows and columns of zeros on each side.
    """

    def __init__(self, space: Space, filters: int, kernel_size: int, stride: int = 1, padding: int = 0) -> None:
        shape = picture_shape(space)
        assert shape is not None and isinstance(space, Box)
        super().__init__(shape[0], filters, kernel_size, stride, padding)
        by = divisor(space)
        assert isinstance(by, float)
        self.by = by

    def forward(self, frames: Tensor) -> Tensor:
        """Return the convolution of ``[N, C, H, W]`` pictures of any dtype, in that of the weights or of autocast."""
        device = frames.device.type
        is_mixed = device != "meta" and torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if is_mixed else self.weight.dtype
        weight = self.weight / self.by if self.by != 1 else self.weight
        frames = frames.to(dtype)
        if device == "cuda" and dtype.itemsize < weight.dtype.itemsize:
            frames, weight = _whole_words(frames), _whole_words(weight)
        return functional.conv2d(frames, weight, self.bias, self.stride, self.padding)


def _whole_words(x: Tensor) -> Tensor:
    """Return ``[N, C, H, W]`` with channels of zeros behind, so that they are a multiple of what tensor cores read."""
    missing = -x.shape[1] % _TENSOR_CORE_CHANNELS
    padded = functional.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x
    return padded.contiguous(memory_format=torch.channels_last)


def linear_layer(name: str, trunk: nn.Module, shape: tuple[int, int, int], feature_dim: int) -> nn.Linear:
    """Return the layer that follows what ``trunk`` makes of a picture.

    Args:
        name: the encoder's name in the registry.
        trunk: from pictures ``[N, *shape]`` to vectors.
        shape: ``(channels, height, width)``.
        feature_dim: numbers that come out.

    Raises:
        ConfigurationError: if it would be larger than any machine could learn; no memory was asked for.
    """
    with torch.no_grad():  # on the device without memory
        count = copy.deepcopy(trunk).to("meta")(torch.zeros(1, *shape, device="meta")).numel()
    if count * feature_dim > _MOST_WEIGHTS:
        raise ConfigurationError(
            f"encoder: {name} would have {count:,} x {feature_dim:,} weights in a layer, {_MOST_WEIGHTS:,} at most are "
            f"possible; shrink pictures of {shape[1]} x {shape[2]} (gymnasium.wrappers.ResizeObservation)"
        )
    return nn.Linear(count, feature_dim)
