"""Random shifts of frames."""

from __future__ import annotations

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.nest import Nest
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import Dict, Space, SpaceLike
from hsuanwu.ops.features import is_channels_last, picture_shape
from hsuanwu.xplore.augmentation.base import Augmentation

_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
"""Dtypes that torch does not gather, and those whose bits it moves in their place."""


@register("augmentation", "random_shift")
class RandomShift(Augmentation):
    """Pictures shifted by up to ``pad`` pixels up, down, left and right; what comes in repeats the edge.

    Each observation has its own shift, the same for all its channels (the frames of a stack move
    together). That is the crop at a random place of frames padded by edge replication, of Kostrikov
    et al. 2020, "Image Augmentation Is All You Need" (arXiv 2004.13649), section 3.1. Of a Dict space, the
    entries that are images are shifted, and the others stay as they are.

    Args:
        observation_space: pictures ``[C, H, W]`` of any dtype, or ``[H, W, C]`` where
            ``hsuanwu.ops.features.is_channels_last`` says so, or a Dict with such an entry, in any form that
            ``as_space`` takes.
        pad: the greatest shift, in pixels; at least 1.

    Raises:
        ConfigurationError: if the space has no images, or ``pad`` is less than 1.

    Example:
        >>> shift = RandomShift({"shape": (1, 2, 2)}, pad=1)
        >>> shift(torch.full((5, 1, 2, 2), 7, dtype=torch.uint8)).unique()
        tensor([7], dtype=torch.uint8)
    """

    def __init__(self, observation_space: SpaceLike, pad: int = 4) -> None:
        super().__init__(observation_space)
        if pad < 1:
            raise ConfigurationError(f"augmentation.pad: found {pad}; use 1 or more")
        if not _has_image(self.observation_space):
            raise ConfigurationError(
                f"augmentation: random_shift needs frames of shape (channels, height, width) in the "
                f"observation_space, found {self.observation_space}; use no augmentation"
            )
        self.pad = pad

    def forward(self, observation: Nest, generator: torch.Generator | None = None) -> Nest:
        """Return shifted observations of the same shapes and dtypes.

        Args:
            observation: ``[N, C, H, W]``, or a dict with such entries.
            generator: where the shifts come from, on the device of the frames; None is torch's global generator.
        """
        return self._shift(self.observation_space, observation, generator)

    def _shift(self, space: Space, x: Nest, generator: torch.Generator | None) -> Nest:
        if isinstance(space, Dict):
            return {name: self._shift(entry, x[name], generator) for name, entry in space.spaces.items()}
        if not _has_image(space):
            return x
        if is_channels_last(space.shape):
            return random_shift(x.permute(0, 3, 1, 2), self.pad, generator).permute(0, 2, 3, 1)
        return random_shift(x, self.pad, generator)


def random_shift(frames: Tensor, pad: int, generator: torch.Generator | None = None) -> Tensor:
    """Return frames ``[N, C, H, W]``, each moved by its own shift of up to ``pad`` pixels; edges are repeated."""
    count, channels, height, width = frames.shape
    shift = torch.randint(-pad, pad + 1, (2, count, 1), generator=generator, device=frames.device)
    rows = (torch.arange(height, device=frames.device) + shift[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=frames.device) + shift[1]).clamp(0, width - 1)
    pixels = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).reshape(count, 1, height * width)
    signed = frames.view(_SIGNED.get(frames.dtype, frames.dtype))
    shifted = signed.flatten(2).gather(2, pixels.expand(count, channels, height * width))
    return shifted.view(frames.dtype).view(frames.shape)


def _has_image(space: Space) -> bool:
    if isinstance(space, Dict):
        return any(_has_image(entry) for entry in space.spaces.values())
    return picture_shape(space) is not None
