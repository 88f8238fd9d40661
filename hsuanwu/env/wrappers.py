"""Wrappers around single gymnasium environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.protocols import Array


@final
class SelectObservation(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Shows only some entries of a flat observation; hiding velocities makes a task of memory, say.

    Args:
        env: an environment whose observations are a Box of rank 1.
        indices: the entries to show, in this order.

    Raises:
        ConfigurationError: if observations are not flat, or an index is out of range.

    Example:
        >>> env = SelectObservation(gymnasium.make("CartPole-v1"), [0, 2])
        >>> env.observation_space.shape
        (2,)
    """

    def __init__(self, env: gymnasium.Env[Any, Any], indices: Sequence[int]) -> None:
        RecordConstructorArgs.__init__(self, indices=list(indices))
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 1:
            raise ConfigurationError(f"env.wrappers: SelectObservation needs a Box of rank 1, found {space}")
        size = space.shape[0]
        if not indices or any(not 0 <= index < size for index in indices):
            raise ConfigurationError(
                f"env.wrappers: SelectObservation has indices {list(indices)}; use some of 0 to {size - 1}"
            )
        self._indices = np.array(indices, dtype=np.intp)
        low, high = space.low[self._indices], space.high[self._indices]
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=space.dtype.type)

    def observation(self, observation: Array) -> Array:
        """Return the selected entries."""
        return observation[self._indices]


@final
class ChannelFirstObservation(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Shows images as ``[channel, height, width]``, the order that image encoders want.

    Args:
        env: an environment whose observations are a Box of shape ``(height, width, channel)``, or of several such
            images, ``(stack, height, width, channel)``, whose channels come to lie behind each other.

    Raises:
        ConfigurationError: if observations have another rank.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) not in (3, 4):
            raise ConfigurationError(f"env.wrappers: ChannelFirstObservation needs a Box of rank 3 or 4, found {space}")
        low, high = self.observation(space.low), self.observation(space.high)
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=space.dtype.type)

    def observation(self, observation: Array) -> Array:
        """Return the image with its last axis first; of a stack of images, in one image."""
        if observation.ndim == 3:
            return observation.transpose(2, 0, 1)
        stack, height, width, channels = observation.shape
        return observation.transpose(0, 3, 1, 2).reshape(stack * channels, height, width)
