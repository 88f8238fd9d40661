"""The encoder of a run and what becomes of each part of an observation, in words."""

from __future__ import annotations

from math import prod

from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space
from hsuanwu.ops.features import num_features, picture_shape
from hsuanwu.xploit.encoder import LEAST_PIXELS, Encoder, MixedPrecisionEncoder, NormalizingEncoder
from hsuanwu.xploit.encoder.reading import Reading

_LEAST_CELLS = 3
"""Rows and columns of what may be a small picture."""
_MANY = 10_000
"""Numbers of a one-hot vector."""
_LARGE = 100.0
"""Size from which numbers drown all others, and make steps of learning too large."""


def describe_observation(encoder: Encoder, is_chosen: bool = False) -> list[str]:
    """Return lines that say which encoder reads observations, and what becomes of each entry of them.

    A line that begins with ``Note:`` is about something that a person may have meant otherwise.

    Args:
        encoder: as it was built, normalisation and precision included.
        is_chosen: whether the user named the encoder: that choice is not questioned.

    Example:
        >>> from hsuanwu.xploit.encoder import MlpEncoder
        >>> describe_observation(MlpEncoder({"shape": (4,)}, feature_dim=64))
        ['Encoder: mlp, 64 features of 4 numbers, as they are']
    """
    readings = encoder.readings()
    while isinstance(encoder, (NormalizingEncoder, MixedPrecisionEncoder)):
        encoder = encoder.encoder
    lines = [f"Encoder: {_name(type(encoder))}, {encoder.feature_dim:,} features"]
    for name, reading in readings.items():
        by = "" if reading.encoder is None else f" ({_name(reading.encoder)})"
        if name:
            lines.append(f"  {name}: {reading.text}{by}")
        elif reading.text:
            lines[0] += f" of {reading.text}"
    is_whole = not isinstance(encoder.observation_space, Dict)
    for name, reading in readings.items():
        if note := _note(reading, is_chosen and is_whole, is_whole):
            lines.append(f"Note: {name or 'the observation'}, {note}")
    return lines


def _name(encoder: type) -> str:
    """Return what an encoder is called in the registry; its class if it has no name there."""
    names = [name for name, cls in options("encoder").items() if cls is encoder]
    return names[0] if names else encoder.__name__


def _note(reading: Reading, is_chosen: bool, is_whole: bool) -> str | None:
    """Return what a person should know of one entry; None where there is nothing.

    Args:
        reading: the entry.
        is_chosen: whether the user named the encoder that reads it.
        is_whole: whether it is the whole observation, and no entry of a Dict.
    """
    space = reading.space
    if isinstance(space, (Discrete, MultiDiscrete)):
        count = num_features(space)
        return f"one-hot, is {count:,} numbers; several digits, or a Box, would be less" if count > _MANY else None
    if not reading.is_flat:
        return _note_on_channels(space, is_whole)
    return None if is_chosen else _note_on_row(space, is_whole) or _note_on_size(reading.largest)


def _note_on_channels(space: Space, is_whole: bool) -> str | None:
    """Return a note on a picture with more channels than rows and columns."""
    shape = picture_shape(space)
    if shape is None or shape != space.shape or shape[0] <= max(shape[1:]):
        return None
    text = f"{space.shape}, is read as {shape[0]} channels of {shape[1]} x {shape[2]}; if the channels are last"
    return f"{text}, put them first{_wrapper('hsuanwu.env.wrappers.ChannelFirstObservation', is_whole)}"


def _note_on_row(space: Space, is_whole: bool) -> str | None:
    """Return a note on numbers in a row that look like a picture."""
    shape = space.shape
    text = f"{shape}, enters as {prod(shape):,} numbers in a row"
    first = _wrapper("hsuanwu.env.wrappers.ChannelFirstObservation", is_whole)
    picture = picture_shape(space)
    if sum(size >= LEAST_PIXELS for size in shape) >= 2:
        if isinstance(space, MultiBinary):
            return f"{text}; a picture of zeros and ones is a Box"
        if len(shape) == 2:
            stack = _wrapper("gymnasium.wrappers.FrameStackObservation, stack_size: 4", is_whole)
            return f"{text}; with an axis of channels it is a picture{stack}"
        if len(shape) == 3:
            return f"{text}; if the channels are last, put them first{first}"
        if len(shape) == 4:
            return f"{text}; a picture has three axes, stacked channels in one{first}"
    elif is_whole and isinstance(space, Box) and picture is not None and min(picture[1:]) >= _LEAST_CELLS:
        return f"{text}; encoder=minatar_cnn is made for small pictures"
    return None


def _note_on_size(largest: float) -> str | None:
    """Return a note on numbers that are as large as their bounds allow, if they are."""
    if largest <= _LARGE:
        return None
    return (
        f"up to {largest:,.10g} by its bounds, enters as it is; if it is large in truth, use normalize_observation=true"
    )


def _wrapper(name: str, is_whole: bool) -> str:
    """Return the name of what helps; wrappers of single arrays know no entries of a Dict."""
    return f" (env.wrappers: {name})" if is_whole else ""
