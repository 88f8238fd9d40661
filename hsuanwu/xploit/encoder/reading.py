"""A description of what an encoder makes of an observation, for people."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from hsuanwu.common.spaces import Box, Discrete, MultiDiscrete, Space
from hsuanwu.ops.features import divisor, is_channels_last, largest_raw, num_features, picture_shape


class Reading(NamedTuple):
    """The way of one entry of an observation into a network."""

    space: Space
    """The entry's."""
    encoder: type | None
    """The class that reads it; None where it is left out."""
    text: str
    """The entry in words, ``"4 numbers, as they are"`` for example."""
    is_flat: bool = False
    """Whether its numbers enter in a row."""
    largest: float = 1.0
    """The largest number that its bounds let into the network as it is; 1 where they say nothing."""


def flat_reading(encoder: type, space: Space, is_normalized: bool) -> Reading:
    """Return the reading of an entry whose numbers enter in a row.

    Args:
        encoder: the class that reads it.
        space: the entry's; any space but a Dict.
        is_normalized: whether numbers of a Box were brought to mean 0 and standard deviation 1 before.

    Example:
        >>> flat_reading(object, Box(0, 10, (2, 3), "uint8"), is_normalized=False).text
        '6 numbers, divided by 10'
        >>> flat_reading(object, MultiDiscrete([2, 3]), is_normalized=False).text
        '2 integers, one-hot in 5 numbers'
    """
    count = num_features(space)
    if isinstance(space, Discrete):
        text = f"1 of {_count(count, 'integer')}, one-hot"
    elif isinstance(space, MultiDiscrete):
        text = f"{_count(space.nvec.size, 'integer')}, one-hot in {_count(count, 'number')}"
    else:
        text = f"{_count(count, 'number')}, {_scaling(space, is_normalized)}"
    largest = 1.0 if is_normalized or not isinstance(space, Box) else largest_raw(space)
    return Reading(space, encoder, text, is_flat=True, largest=largest)


def picture_reading(encoder: type, space: Space, is_normalized: bool) -> Reading:
    """Return the reading of an entry that enters as a picture.

    Args:
        encoder: the class that reads it.
        space: the entry's; a space of pictures.
        is_normalized: whether its numbers were brought to mean 0 and standard deviation 1 before.

    Example:
        >>> picture_reading(object, Box(0, 255, (84, 96, 3), "uint8"), is_normalized=False).text
        'a picture of 3 channels, 84 x 96 (channels last), divided by 255'
    """
    shape = picture_shape(space)
    assert shape is not None
    last = " (channels last)" if is_channels_last(space.shape) else ""
    text = f"a picture of {_count(shape[0], 'channel')}, {shape[1]} x {shape[2]}{last}"
    return Reading(space, encoder, f"{text}, {_scaling(space, is_normalized)}")


def _scaling(space: Space, is_normalized: bool) -> str:
    if not isinstance(space, Box):
        return "0 or 1"
    if is_normalized:
        return "normalised by their running mean and deviation"
    by = divisor(space)
    if isinstance(by, Tensor):
        return f"each divided by its bound ({by.min():,.10g} to {by.max():,.10g})"
    return "as they are" if by == 1 else f"divided by {by:,.10g}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
