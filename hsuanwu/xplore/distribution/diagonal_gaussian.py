"""The Gaussian distribution with a diagonal covariance."""

from __future__ import annotations

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xplore.distribution.event import to_action, to_vector
from hsuanwu.xplore.distribution.gaussian import (
    Gaussian,
    normal_entropy,
    normal_log_prob,
    normal_sample,
)

_UNITS = ("bounds", "environment")


@register("distribution", "diagonal_gaussian")
class DiagonalGaussian(Gaussian):
    """Real numbers, independent: ``a = center + half * u, u ~ Normal(mean, exp(log_std))``.

    The parameters are ``mean, log_std``; ``center`` is the middle of the bounds and ``half`` half the distance between
    them, so that a mean of -1 is the lower bound and one of 1 the upper. A number without two finite bounds is in the
    environment's own unit (``BoundUnits``).

    Actions are not clipped to the bounds of the space; the environment clips what it is given. So the
    log-probability is that of the number that was drawn. No reward tells a mean far out of the bounds from one
    further out: ``excess`` is its distance from them, in halves of the distance between the bounds.

    Args:
        action_space: a Box of floats of any shape, in any form that ``as_space`` takes.
        init_log_std: natural logarithm of the standard deviation of ``u`` to begin with.
        state_dependent_std: whether the head makes ``log_std`` of the features; else it is one parameter.
        min_log_std: what is less counts as this.
        max_log_std: what is greater counts as this.
        units: ``"bounds"``, or ``"environment"``: then ``a = u`` whatever the bounds.

    Raises:
        ConfigurationError: if the space is no Box of floats, or ``init_log_std`` or ``units`` is none of those allowed.

    Example:
        >>> gaussian = DiagonalGaussian({"shape": (2,), "type": "Box", "range": [100, 200]})
        >>> gaussian.mode(torch.tensor([[0.5, -3.0, 0.0, 0.0]]))
        tensor([[175.,   0.]])
    """

    def __init__(
        self,
        action_space: SpaceLike,
        init_log_std: float = 0.0,
        state_dependent_std: bool = False,
        min_log_std: float = -20.0,
        max_log_std: float = 2.0,
        units: str = "bounds",
    ) -> None:
        super().__init__("diagonal_gaussian", action_space, init_log_std, state_dependent_std, min_log_std, max_log_std)
        if units not in _UNITS:
            raise ConfigurationError(f"distribution.units: found {units!r}; use 'bounds' or 'environment'")
        self.units = units
        is_scaled = units == "bounds" and not self._bound_units.is_environment
        self._scale = self._bound_units if is_scaled else None
        self._log_volume = self._bound_units.log_volume if is_scaled else 0.0

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, log_std = self._split(params)
        return self._action(normal_sample(mean, log_std, generator))

    def mode(self, params: Tensor) -> Tensor:
        return self._action(self._split(params)[0])

    def _log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        log_prob = normal_log_prob(*self._split(params), self.features(action)).sum(-1)
        return log_prob if self._scale is None else log_prob - self._log_volume

    def entropy(self, params: Tensor) -> Tensor:
        return normal_entropy(self._split(params)[1]).sum(-1) + self._log_volume

    def excess(self, params: Tensor) -> Tensor:
        mean, _ = self._split(params)
        return self._bound_units.excess(mean if self.units == "bounds" else self._bound_units.from_environment(mean))

    def features(self, action: Tensor) -> Tensor:
        vector = to_vector(action, self.action_space.shape)
        return vector.float() if self._scale is None else self._scale.from_environment(vector)

    def _action(self, u: Tensor) -> Tensor:
        vector = u if self._scale is None else self._scale.to_environment(u)
        return to_action(vector, self.action_space.shape).to(self._dtype)
