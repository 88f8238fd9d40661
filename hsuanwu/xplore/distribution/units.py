"""Units in which the numbers of a continuous action are chosen: those of their bounds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hsuanwu.common.spaces import Box
from hsuanwu.xplore.distribution.constant import Constant

_LARGEST = 1e30
"""Half a distance from which bounds count as none; many write the largest number of float32, 3.4e38, for no bound."""


class BoundUnits:
    """The units of the bounds of a Box: ``a = center + half * u`` is the lower bound at -1 and the upper one at 1.

    A number keeps the environment's unit if a bound is missing, if bounds are so large that they stand for none, or if
    there is no room between them: its ``half`` is 1, and its ``center`` is the number within its bounds nearest to 0.

    Args:
        space: a Box of floats.

    Attributes:
        center: the middle of the bounds, ``[prod(space.shape)]`` float.
        half: half the distance between them, likewise.
        is_bounded: which numbers have two finite bounds and room between them, likewise bool.
        is_environment: whether they are the units of the environment, ``center`` 0 and ``half`` 1 everywhere.
        log_volume: sum of ``log half``: the log-density of ``u`` is that of ``a`` plus this.

    Example:
        >>> units = BoundUnits(Box([0, 100], [1, 200], (2,)))
        >>> units.to_environment(torch.tensor([0.0, -1.0])).tolist()
        [0.5, 100.0]
    """

    def __init__(self, space: Box) -> None:
        low, high = (bound.astype(np.float64).flatten() for bound in (space.low, space.high))
        # bounds of float64 may be closer to each other than float32 can tell
        dtype = np.promote_types(space.dtype, np.float32)
        largest = min(_LARGEST, float(np.finfo(space.dtype).max) / 10)  # room for means and samples beyond the bounds
        with np.errstate(over="ignore", invalid="ignore"):
            half, middle = high / 2 - low / 2, high / 2 + low / 2
            self.is_bounded = (half >= np.finfo(dtype).tiny) & (half <= largest)
            half = np.where(self.is_bounded, half, 1.0)
            center = np.where(self.is_bounded, middle, np.clip(0.0, low, high))
            bounds = [((bound - center) / half).astype(np.float32) for bound in (low, high)]
        self.log_volume = float(np.log(half).sum())
        self.is_environment = bool((center == 0).all() and (half == 1).all())
        self._dtype = torch.from_numpy(np.empty(0, dtype)).dtype
        self.center, self.half = center.astype(dtype), half.astype(dtype)
        self._center, self._half = Constant(self.center), Constant(self.half)
        self._low, self._high = (Constant(bound) for bound in bounds)

    def to_environment(self, u: Tensor) -> Tensor:
        """Return numbers in the units of the bounds, ``[..., prod(space.shape)]``, in those of the environment."""
        if self.is_environment:
            return u
        return torch.addcmul(self._center.on(u.device), self._half.on(u.device), u.to(self._dtype))

    def from_environment(self, a: Tensor) -> Tensor:
        """Return numbers in the units of the environment in those of the bounds, float32."""
        if self.is_environment:
            return a.float()
        return ((a.to(self._dtype) - self._center.on(a.device)) / self._half.on(a.device)).float()

    def excess(self, u: Tensor) -> Tensor:
        """Return the squared distance of ``u`` from the bounds, in their units, ``[...]``; 0 between them."""
        return (u - u.clamp(self._low.on(u.device), self._high.on(u.device))).square().sum(-1)
