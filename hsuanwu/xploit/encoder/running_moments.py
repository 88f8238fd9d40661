"""Running statistics as part of a network: saved, published and evaluated with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hsuanwu.ops.moments import Moments, combine, moments


class RunningMoments(nn.Module):
    """Mean and variance of what was seen so far; 0 and 1 before anything was.

    Args:
        shape: of one sample.
        horizon: weight that the past may have at most, in samples: with a finite one, older samples fade.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...], horizon: float = math.inf) -> None:
        super().__init__()
        self._horizon = horizon
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Take samples in, ``[N, *shape]``; of those that are not finite none is."""
        x = x[torch.isfinite(x).flatten(1).all(1)] if x.dim() > 1 else x[torch.isfinite(x)]
        if not len(x):
            return
        past = Moments(self.mean, self.variance, self.count.clamp(max=self._horizon))
        mean, variance, weight = combine(past, moments(x))
        self.mean.copy_(mean)
        self.variance.copy_(variance)
        self.count.copy_(weight)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return the means and the mean squares, ``[*shape]`` float64 each."""
        return self.mean, self.variance + self.mean.square()
