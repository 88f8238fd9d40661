"""The Gaussian distribution squashed into bounds."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.xplore.distribution.constant import Constant
from hsuanwu.xplore.distribution.default import misfit
from hsuanwu.xplore.distribution.event import to_action, to_vector
from hsuanwu.xplore.distribution.gaussian import (
    Gaussian,
    normal_entropy,
    normal_log_prob,
    normal_sample,
)

_MARGIN = 5e-7
"""How near to a bound an action comes, as a part of the distance between the bounds; ``|u|`` stays below 7.3."""

_STEEP = 2.0
"""The mean of ``u`` up to which tanh counts as steep enough to learn from."""

_nodes, _weights = np.polynomial.hermite.hermgauss(64)
_NODES = Constant((_nodes * math.sqrt(2)).astype(np.float32))
_WEIGHTS = Constant((_weights / math.sqrt(math.pi)).astype(np.float32))
"""E[f(z)], z standard normal, is ``sum_k weights_k f(nodes_k)``."""


@register("distribution", "squashed_gaussian")
class SquashedGaussian(Gaussian):
    """Real numbers within bounds: ``a = low + (high - low) (1 + tanh u) / 2, u ~ Normal(mean, exp(log_std))``.

    The log-probability is a function of the stored action alone (``u`` is found by the inverse of
    tanh), so that who acted and who learns agree on it; actions keep a small distance from the bounds for that.
    The entropy is that of ``u`` plus ``E[log |da / du|]`` by Gauss-Hermite quadrature: no noise, and
    differentiable (64 nodes: exact to 1e-5 for a standard deviation up to 2, to 0.02 at the default limit of 7.4).

    Far out on the tanh no gradient leads back: ``excess`` counts how far a mean is from ``[-2, 2]``, where tanh is
    0.96.

    Haarnoja et al. 2018, "Soft Actor-Critic" (arXiv 1801.01290), appendix C.

    Args:
        action_space: a bounded Box of floats of any shape, in any form that ``as_space`` takes.
        init_log_std: natural logarithm of the standard deviation of ``u`` to begin with.
        state_dependent_std: whether the head makes ``log_std`` of the features; else it is one parameter.
        min_log_std: what is less counts as this.
        max_log_std: what is greater counts as this.

    Raises:
        ConfigurationError: if the space is no Box of floats with finite bounds, each low below its high, or
            ``init_log_std`` is out of its limits.

    Example:
        >>> squashed = SquashedGaussian({"shape": (1,), "type": "Box", "range": [0, 4]})
        >>> squashed.mode(torch.tensor([[0.0, 0.0]]))
        tensor([[2.]])
    """

    def __init__(
        self,
        action_space: SpaceLike,
        init_log_std: float = 0.0,
        state_dependent_std: bool = False,
        min_log_std: float = -20.0,
        max_log_std: float = 2.0,
    ) -> None:
        super().__init__("squashed_gaussian", action_space, init_log_std, state_dependent_std, min_log_std, max_log_std)
        with np.errstate(over="ignore", invalid="ignore"):
            lower = self.action_space.low.astype(np.float32).flatten()
            distance = self.action_space.high.astype(np.float32).flatten() - lower
        fits = np.isfinite(distance) & (distance > 0)
        if not fits.all():
            low, high = (bound.flat[fits.argmin()] for bound in (self.action_space.low, self.action_space.high))
            needs = f"an action_space with finite bounds, each low below its high (not low {low}, high {high})"
            raise misfit("squashed_gaussian", needs, self.action_space)
        self._low, self._width = Constant(lower), Constant(distance)

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._squash(normal_sample(*self._split(params), generator))

    def mode(self, params: Tensor) -> Tensor:
        return self._squash(self._split(params)[0])

    def _log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        low, width = self._bounds(params.device)
        from_low = (to_vector(action, self.action_space.shape).float() - low) / width
        from_low = from_low.clamp(_MARGIN, 1 - _MARGIN)
        log_part, log_rest = torch.log(from_low), torch.log1p(-from_low)
        # with p = (1 + tanh u) / 2: u = (log p - log(1 - p)) / 2 and da / du = 2 width p (1 - p)
        log_slope = math.log(2) + torch.log(width) + log_part + log_rest
        return (normal_log_prob(*self._split(params), 0.5 * (log_part - log_rest)) - log_slope).sum(-1)

    def excess(self, params: Tensor) -> Tensor:
        mean, _ = self._split(params)
        return (mean - mean.clamp(-_STEEP, _STEEP)).square().sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        mean, log_std = self._split(params)
        _, width = self._bounds(params.device)
        nodes, weights = _NODES.on(params.device), _WEIGHTS.on(params.device)
        u = mean.unsqueeze(-1) + log_std.exp().unsqueeze(-1) * nodes
        # log(2 p (1 - p)), with p as above
        log_slope = math.log(2) - 2 * (u + functional.softplus(-2 * u))
        return (normal_entropy(log_std) + torch.log(width) + log_slope @ weights).sum(-1)

    def _squash(self, u: Tensor) -> Tensor:
        low, width = self._bounds(u.device)
        a = low + width * torch.sigmoid(2 * u).clamp(_MARGIN, 1 - _MARGIN)
        return to_action(a, self.action_space.shape).to(self._dtype)

    def _bounds(self, device: torch.device) -> tuple[Tensor, Tensor]:
        return self._low.on(device), self._width.on(device)
