"""Actions as vectors, and back: the shape of one action is the event shape of its distribution."""

from __future__ import annotations

import math

from torch import Tensor


def to_vector(action: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return actions ``[..., *shape]`` as ``[..., prod(shape)]``."""
    return action.reshape((*action.shape[: action.dim() - len(shape)], math.prod(shape)))


def to_action(vector: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return vectors ``[..., prod(shape)]`` as actions ``[..., *shape]``."""
    return vector.reshape((*vector.shape[:-1], *shape))
