"""What Gaussian families share: the head, the parameters, the density and the divergence."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.outside import refuse_outside
from hsuanwu.common.spaces import Box, SpaceLike
from hsuanwu.xplore.distribution.base import Distribution
from hsuanwu.xplore.distribution.default import misfit
from hsuanwu.xplore.distribution.size import checked_size
from hsuanwu.xplore.distribution.units import BoundUnits

LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)


class GaussianHead(nn.Module):
    """From features to the mean and the logarithm of the standard deviation of each number.

    Args:
        feature_dim: size of the features.
        num_dims: numbers in one action.
        init_log_std: ``log_std`` to begin with; the bias of it where it depends on the state.
        state_dependent_std: whether ``log_std`` is a linear function of the features, or one parameter.
    """

    def __init__(self, feature_dim: int, num_dims: int, init_log_std: float, state_dependent_std: bool) -> None:
        super().__init__()
        self.mean = nn.Linear(feature_dim, num_dims)
        self.log_std: nn.Linear | nn.Parameter
        if state_dependent_std:
            self.log_std = nn.Linear(feature_dim, num_dims)
            with torch.no_grad():
                self.log_std.bias.add_(init_log_std)
        else:
            self.log_std = nn.Parameter(torch.full((num_dims,), float(init_log_std)))

    def forward(self, features: Tensor) -> Tensor:
        """Return ``[..., 2 * num_dims]``: the means, then the log standard deviations."""
        mean = self.mean(features)
        log_std = self.log_std.expand_as(mean) if isinstance(self.log_std, Tensor) else self.log_std(features)
        return torch.cat([mean, log_std], -1)


def _check_log_std(init: float, low: float, high: float) -> None:
    for name, value in {"max_log_std": high, "min_log_std": low, "init_log_std": init}.items():
        if math.isnan(value):
            raise ConfigurationError(f"distribution.{name}: found {value}; use a number")
    if low > high:
        raise ConfigurationError(f"distribution.min_log_std: found {low}; use a number up to max_log_std {high}")
    if not low <= init <= high:
        raise ConfigurationError(
            f"distribution.init_log_std: found {init}; use a number from min_log_std {low} to max_log_std {high}"
        )


class Gaussian(Distribution, ABC):
    """Families over ``u ~ Normal(mean, exp(log_std))``, one number at a time; ``params`` are ``mean, log_std``.

    Args:
        name: the family's name in the registry.
        action_space: a Box of floats, in any form that ``as_space`` takes.
        init_log_std: ``log_std`` of a new head.
        state_dependent_std: whether a head makes ``log_std`` of the features.
        min_log_std: what is less counts as this.
        max_log_std: what is greater counts as this.

    Raises:
        ConfigurationError: if the space is no Box of floats, a number is NaN, or ``init_log_std`` is out of its limits.
    """

    _bound_units: BoundUnits

    def __init__(
        self,
        name: str,
        action_space: SpaceLike,
        init_log_std: float,
        state_dependent_std: bool,
        min_log_std: float,
        max_log_std: float,
    ) -> None:
        super().__init__(action_space)
        space = self.action_space
        if not isinstance(space, Box) or space.dtype.kind != "f" or 0 in space.shape:
            raise misfit(name, "a Box action_space of floats, at least one", space)
        self.action_space: Box = space
        _check_log_std(init_log_std, min_log_std, max_log_std)
        self._num_dims = math.prod(space.shape)
        self.num_params = checked_size(2 * self._num_dims, space)
        self.init_log_std, self._state_dependent_std = init_log_std, state_dependent_std
        self._min_log_std, self._max_log_std = min_log_std, max_log_std
        self._dtype: torch.dtype = space.tensor_spec().dtype

    def head(self, feature_dim: int) -> nn.Module:
        return GaussianHead(feature_dim, self._num_dims, self.init_log_std, self._state_dependent_std)

    def sample_with_log_prob(self, params: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        params = params.detach()
        action = self.sample(params, generator)
        return action, self._log_prob(params, action)

    def log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        log_prob = self._log_prob(params, action)
        if log_prob.device.type == "cpu" and math.isnan(log_prob.detach().sum()) and params.isfinite().all():
            refuse_outside(self.action_space, action)
        return log_prob

    @abstractmethod
    def _log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        """Return the log-density of ``action``; NaN where it is."""

    def kl(self, params: Tensor, other_params: Tensor) -> Tensor:
        """Return the divergence of the Gaussians; no bijection of ``u`` changes it."""
        mean, log_std = self._split(params)
        other_mean, other_log_std = self._split(other_params)
        ratio = 2 * (log_std - other_log_std)
        distance = (mean - other_mean) * torch.exp(-other_log_std)
        return 0.5 * (torch.expm1(ratio) - ratio + distance.square()).sum(-1)

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = params.float().chunk(2, -1)
        return mean, log_std.clamp(self._min_log_std, self._max_log_std)


def normal_sample(mean: Tensor, log_std: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return one random number each; no gradient flows."""
    noise = torch.empty_like(mean).normal_(generator=generator)
    return torch.addcmul(mean.detach(), log_std.detach().exp(), noise)


def normal_log_prob(mean: Tensor, log_std: Tensor, x: Tensor) -> Tensor:
    """Return the log-density of each number, ``-((x - mean) / std)^2 / 2 - log std - log(2 pi) / 2``."""
    return -0.5 * ((x - mean) * torch.exp(-log_std)).square() - log_std - LOG_SQRT_2_PI


def normal_entropy(log_std: Tensor) -> Tensor:
    """Return the differential entropy of each number, ``log std + log(2 pi e) / 2``."""
    return log_std + (0.5 + LOG_SQRT_2_PI)
