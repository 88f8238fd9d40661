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
            images, ``(stack, height, width, channel)``, whose channels come to lie behind each other; or a Dict with
            such entries.
        keys: the entries of a Dict that are images; None for those of rank 3 or 4. Others are shown as they are.

    Raises:
        ConfigurationError: if observations have another rank, or no entry of a Dict is such an image.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], keys: Sequence[str] | None = None) -> None:
        RecordConstructorArgs.__init__(self, keys=keys)
        super().__init__(env)
        space = env.observation_space
        if isinstance(space, gymnasium.spaces.Dict):
            names = [key for key, part in space.items() if _is_image(part)] if keys is None else list(keys)
            if not names or not all(key in space.spaces and _is_image(space[key]) for key in names):
                raise ConfigurationError(
                    f"env.wrappers: ChannelFirstObservation needs entries that are a Box of rank 3 or 4, found {space}"
                    + (f" and keys {names}" if keys is not None else "")
                )
            parts = {key: _moved_space(part) if key in names else part for key, part in space.items()}
            self._names, self.observation_space = names, gymnasium.spaces.Dict(parts)
        elif keys is None and _is_image(space):
            self._names, self.observation_space = [], _moved_space(space)
        else:
            raise ConfigurationError(
                f"env.wrappers: ChannelFirstObservation needs a Box of rank 3 or 4, or a Dict with one, found {space}"
            )

    def observation(self, observation: Any) -> Any:
        """Return the image with its last axis first; of a stack of images, in one image."""
        if not self._names:
            return _moved(observation)
        return {**observation, **{name: _moved(observation[name]) for name in self._names}}


def _is_image(space: gymnasium.Space[Any]) -> bool:
    return isinstance(space, gymnasium.spaces.Box) and len(space.shape) in (3, 4)


def _moved_space(space: Any) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(_moved(space.low), _moved(space.high), dtype=space.dtype.type)


def _moved(image: Array) -> Array:
    if image.ndim == 3:
        return image.transpose(2, 0, 1)
    stack, height, width, channels = image.shape
    return image.transpose(0, 3, 1, 2).reshape(stack * channels, height, width)
