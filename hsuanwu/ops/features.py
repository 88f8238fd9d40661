"""Elements of a space as float vectors, the way a network wants them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space


def num_features(space: Space) -> int:
    """Return how many numbers ``flatten_features`` makes of one element.

    Raises:
        ConfigurationError: if the space is a Dict; its entries are flattened one by one.
    """
    if isinstance(space, Discrete):
        return space.n
    if isinstance(space, MultiDiscrete):
        return int(space.nvec.sum())
    if isinstance(space, (Box, MultiBinary)):
        return math.prod(space.shape)
    raise ConfigurationError(f"cannot flatten {space}; use a combined encoder for Dict spaces")


def flatten_features(space: Space, x: Tensor) -> Tensor:
    """Return elements of a space as float32 vectors.

    Args:
        space: what one element looks like; any space but a Dict. Integers count from 0, whatever ``start``.
        x: elements, ``[..., *space.shape]``.

    Returns:
        ``[..., num_features(space)]`` float32: one-hot for Discrete, one-hots side by side for
        MultiDiscrete, the numbers themselves for Box (uint8 divided by 255) and MultiBinary.

    Example:
        >>> flatten_features(Discrete(3), torch.tensor([2, 0]))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if isinstance(space, Discrete):
        return functional.one_hot(x.long(), space.n).float()
    rank = len(space.shape)
    flat = x.flatten(x.dim() - rank) if rank else x.unsqueeze(-1)
    if isinstance(space, MultiDiscrete):
        sizes = space.nvec.flatten().tolist()
        columns = flat.long().unbind(-1)
        return torch.cat([functional.one_hot(c, n) for c, n in zip(columns, sizes, strict=True)], -1).float()
    return scale(flat)


def scale(x: Tensor) -> Tensor:
    """Return ``x`` as float32; bytes are divided by 255, other numbers keep their value."""
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def is_channels_last(shape: tuple[int, ...]) -> bool:
    """Return whether frames of a shape of rank 3 are ``(height, width, channels)``, not channels first.

    They are if there are 1, 3 or 4 channels, and more rows and columns than that.

    Example:
        >>> is_channels_last((84, 96, 3)), is_channels_last((4, 84, 84))
        (True, False)
    """
    return shape[2] in (1, 3, 4) and min(shape[:2]) > shape[2]
