"""Elements of a space as a network wants them: numbers of a size about 1, in a row or as pictures."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space

_NO_BOUND = 2.0**31 - 1
"""A bound of this size or more says nothing: it is the end of a dtype, or stands for infinity."""
_FEW_CHANNELS = 4


def num_features(space: Space) -> int:
    """Return how many numbers ``flatten_features`` makes of one element.

    Raises:
        ConfigurationError: if the space is a Dict; its entries are flattened one by one.
    """
    if isinstance(space, Discrete):
        return space.n
    if isinstance(space, MultiDiscrete):
        return sum(space.nvec.flatten().tolist())  # of Python's integers, which do not wrap around
    if isinstance(space, (Box, MultiBinary)):
        return math.prod(space.shape)
    raise ConfigurationError(f"cannot flatten {space}; use a combined encoder for Dict spaces")


def is_empty(space: Space) -> bool:
    """Return whether an element has no numbers: an axis of size 0, or a Dict of nothing else."""
    if isinstance(space, Dict):
        return all(is_empty(entry) for entry in space.spaces.values())
    return 0 in space.shape


def flatten_features(space: Space, x: Tensor) -> Tensor:
    """Return elements of a space as float32 vectors.

    Args:
        space: one element's; any space but a Dict. Integers count from 0, whatever ``start``.
        x: elements, ``[..., *space.shape]``.

    Returns:
        ``[..., num_features(space)]`` float32: one-hot for Discrete, one-hots side by side for
        MultiDiscrete, the numbers themselves for MultiBinary, and for Box divided as ``divisor`` says.

    Example:
        >>> flatten_features(Discrete(3), torch.tensor([2, 0]))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
        >>> flatten_features(Box(0, 10, (2,), "uint8"), torch.tensor([5, 10]))
        tensor([0.5000, 1.0000])
    """
    if isinstance(space, Discrete):
        return functional.one_hot(x.long(), space.n).float()
    flat = flatten_shape(space.shape, x)
    if isinstance(space, MultiDiscrete):
        sizes = space.nvec.flatten().tolist()
        columns = flat.long().unbind(-1)
        return torch.cat([functional.one_hot(c, n) for c, n in zip(columns, sizes, strict=True)], -1).float()
    if isinstance(space, MultiBinary):
        return flat.float()
    assert isinstance(space, Box)
    by = divisor(space)
    return flat.float() / (by.to(x.device) if isinstance(by, Tensor) else by)


def flatten_shape(shape: tuple[int, ...], x: Tensor) -> Tensor:
    """Return arrays ``[..., *shape]`` as vectors, ``[..., prod(shape)]``."""
    return x.flatten(-len(shape)) if shape else x.unsqueeze(-1)


def divisor(space: Box) -> float | Tensor:
    """Return what the numbers of a Box are divided by before a network sees them.

    Whole numbers, and the intensities of pictures (of any dtype, with bounds from 0 up), are divided by the greatest
    absolute value that their bounds allow; all other numbers keep their value. So 0 stays 0, and what is divided lies
    within -1 and 1. Bounds of 2**31 - 1 or more in size count as none, and what has none keeps its value. A picture
    is divided by one number; elsewhere each number has its own.

    Returns:
        A number where it is the same for all, else ``[num_features(space)]`` float32.

    Example:
        >>> divisor(Box(0, 255, (4, 84, 84), "uint8")), divisor(Box(-100, 50, (2,), "int64")), divisor(Box(-8, 8, (3,)))
        (255.0, 100.0, 1.0)
        >>> divisor(Box(0, [1, 10], (2,), "uint8"))
        tensor([ 1., 10.])
    """
    is_picture = picture_shape(space) is not None
    if space.dtype.kind == "f" and not (is_picture and (space.low >= 0).all()):
        return 1.0
    sizes = np.max(space.magnitude) if is_picture else space.magnitude
    sizes = np.where((sizes > 0) & (sizes < _NO_BOUND), sizes, 1.0)
    return float(sizes) if sizes.ndim == 0 else torch.from_numpy(sizes.flatten()).float()


def largest_raw(space: Box) -> float:
    """Return the largest number that the bounds of a Box let into a network undivided, 1 at least.

    Example:
        >>> largest_raw(Box(-1000, 5, (3,))), largest_raw(Box(0, 1000, (3,), "int64")), largest_raw(Box(0, np.inf, ()))
        (1000.0, 1.0, 1.0)
    """
    sizes = space.magnitude.flatten()
    return float((sizes / np.asarray(divisor(space)))[sizes < _NO_BOUND].max(initial=1.0))


def picture_shape(space: Space) -> tuple[int, int, int] | None:
    """Return ``(channels, height, width)`` of a space of pictures; None if its elements are none.

    Pictures are a Box of rank 3. Which of its axes the channels are, ``is_channels_last`` says.

    Example:
        >>> picture_shape(Box(0, 255, (84, 96, 3), "uint8"))
        (3, 84, 96)
    """
    if not isinstance(space, Box) or len(space.shape) != 3 or 0 in space.shape:
        return None
    first, second, third = space.shape
    return (third, first, second) if is_channels_last(space.shape) else (first, second, third)


def is_channels_last(shape: tuple[int, ...]) -> bool:
    """Return whether pictures of a shape of rank 3 are ``(height, width, channels)``, not channels first.

    If just one of the two readings has as many rows as columns, it is that one. Otherwise channels are last if they are
    fewer than rows and columns, and either at most 4 or at most a quarter of both. (A picture that is misread so is
    read rightly with its rows and columns exchanged.)

    Example:
        >>> all(is_channels_last(shape) for shape in ((84, 96, 3), (210, 160, 12), (64, 64, 36), (8, 8, 111)))
        True
        >>> any(is_channels_last(shape) for shape in ((4, 84, 84), (3, 96, 84), (64, 48, 36), (4, 84, 4), (10, 10, 10)))
        False
    """
    first, second, third = shape
    if (first == second) != (second == third):
        return first == second
    least = min(first, second)
    return third < least and (third <= _FEW_CHANNELS or 4 * third <= least)
