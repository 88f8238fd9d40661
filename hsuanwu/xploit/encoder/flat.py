"""Parts of encoders that read numbers in a row."""

from __future__ import annotations

from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiDiscrete, Space
from hsuanwu.ops.features import divisor, flatten_features, flatten_shape, num_features

_MOST_NUMBERS = 4_000_000
"""A layer of 64 on so many has 1 GB of weights, and a run holds several copies."""


class Flat(nn.Module):
    """Observations as float32 vectors, ``[N, num_features(space)]``: ``flatten_features``, faster.

    What can be known of the space is looked at once; actors encode small batches, thousands of times a second.

    Args:
        space: the observations; any space but a Dict.
    """

    by: Tensor | float | None

    def __init__(self, space: Space) -> None:
        super().__init__()
        self._space, self._is_one_hot = space, isinstance(space, (Discrete, MultiDiscrete))
        by = divisor(space) if isinstance(space, Box) else 1.0
        if isinstance(by, Tensor):
            # a buffer moves to the device of the weights; checkpoints need not hold what the space says
            self.register_buffer("by", by, persistent=False)
        else:
            self.by = None if by == 1 else by

    def forward(self, observation: Tensor) -> Tensor:
        """Return the vectors of ``[N, *shape]`` observations."""
        if self._is_one_hot:
            return flatten_features(self._space, observation)
        flat, by = flatten_shape(self._space.shape, observation).float(), self.by
        return flat if by is None else flat / by


def need_numbers(name: str, space: Space) -> int:
    """Return how many numbers an observation has for an encoder that takes them in a row.

    Args:
        name: the encoder's name in the registry.
        space: the observations.

    Raises:
        ConfigurationError: if the space is a Dict, or has no numbers, or more than any machine could learn from.
    """
    if isinstance(space, Dict):
        raise ConfigurationError(
            f"encoder: {name} needs a space of one array, found a Dict of {', '.join(space.spaces)}; "
            f"use encoder=combined"
        )
    count = num_features(space)
    if count < 1:
        raise ConfigurationError(
            f"encoder: {name} needs at least one number, found shape {space.shape}; "
            f"leave this observation out of the observation_space"
        )
    if count > _MOST_NUMBERS:
        is_one_hot = isinstance(space, (Discrete, MultiDiscrete))
        raise ConfigurationError(
            f"encoder: {name} takes at most {_MOST_NUMBERS:,} numbers, found {count:,} in "
            + ("a one-hot vector; show the digits of the integer, or a Box" if is_one_hot else "a row; show less")
        )
    return count
