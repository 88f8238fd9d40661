"""The Gaussian distribution with a diagonal covariance."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xplore.distribution.constant import Constant
from hsuanwu.xplore.distribution.event import to_action, to_vector
from hsuanwu.xplore.distribution.gaussian import (
    Gaussian,
    normal_entropy,
    normal_log_prob,
    normal_sample,
)


@register("distribution", "diagonal_gaussian")
class DiagonalGaussian(Gaussian):
    """Real numbers, independent: ``a ~ Normal(mean, exp(log_std))``; the parameters are ``mean, log_std``.

    Actions are not clipped to the bounds of the space; the environment clips what it is given. So the
    log-probability is that of the number that was drawn. No reward tells a mean far out of the bounds from one
    further out: ``excess`` is its distance from them, in halves of the distance between the bounds.

    Args:
        action_space: a Box of floats of any shape, in any form that ``as_space`` takes.
        init_log_std: natural logarithm of the standard deviation to begin with.
        state_dependent_std: whether the head makes ``log_std`` of the features; else it is one parameter.
        min_log_std: what is less counts as this.
        max_log_std: what is greater counts as this.

    Raises:
        ConfigurationError: if the space is no Box of floats, or ``init_log_std`` is out of its limits.

    Example:
        >>> gaussian = DiagonalGaussian({"shape": (2,), "type": "Box", "range": [-1, 1]})
        >>> gaussian.mode(torch.tensor([[0.5, -3.0, 0.0, 0.0]]))
        tensor([[ 0.5000, -3.0000]])
    """

    def __init__(
        self,
        action_space: SpaceLike,
        init_log_std: float = 0.0,
        state_dependent_std: bool = False,
        min_log_std: float = -20.0,
        max_log_std: float = 2.0,
    ) -> None:
        super().__init__("diagonal_gaussian", action_space, init_log_std, state_dependent_std, min_log_std, max_log_std)
        with np.errstate(over="ignore", invalid="ignore"):
            low = self.action_space.low.astype(np.float32).flatten()
            high = self.action_space.high.astype(np.float32).flatten()
            half = (high - low) / 2
        half = np.where(np.isfinite(half) & (half > 0), half, np.float32(1))
        self._bounds = Constant(low), Constant(high), Constant(half)

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, log_std = self._split(params)
        return to_action(normal_sample(mean, log_std, generator), self.action_space.shape).to(self._dtype)

    def mode(self, params: Tensor) -> Tensor:
        return to_action(self._split(params)[0], self.action_space.shape).to(self._dtype)

    def _log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        x = to_vector(action, self.action_space.shape).float()
        return normal_log_prob(*self._split(params), x).sum(-1)

    def excess(self, params: Tensor) -> Tensor:
        mean, _ = self._split(params)
        low, high, half = (x.on(params.device) for x in self._bounds)
        return ((mean - mean.clamp(low, high)) / half).square().sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        return normal_entropy(self._split(params)[1]).sum(-1)
