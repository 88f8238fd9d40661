"""Independent coins."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hsuanwu.common.registry import register
from hsuanwu.common.spaces import MultiBinary, SpaceLike
from hsuanwu.xplore.distribution.base import Distribution
from hsuanwu.xplore.distribution.categorical import choice_log_prob, logits_entropy, logits_kl, sample_index
from hsuanwu.xplore.distribution.default import misfit
from hsuanwu.xplore.distribution.event import to_action, to_vector
from hsuanwu.xplore.distribution.size import checked_size


@register("distribution", "bernoulli")
class Bernoulli(Distribution):
    """Independent zeros and ones: ``p(1) = 1 / (1 + exp(-l))``, the parameters are the logits ``l``.

    Args:
        action_space: a MultiBinary space of any shape, in any form that ``as_space`` takes.

    Raises:
        ConfigurationError: if the space is not MultiBinary.

    Example:
        >>> coins = Bernoulli(MultiBinary((3,)))
        >>> coins.mode(torch.tensor([[-1.0, 2.0, 0.5]]))
        tensor([[0, 1, 1]], dtype=torch.int8)
    """

    def __init__(self, action_space: SpaceLike) -> None:
        super().__init__(action_space)
        if not isinstance(self.action_space, MultiBinary) or 0 in self.action_space.shape:
            raise misfit("bernoulli", "a MultiBinary action_space of at least one number", self.action_space)
        self.num_params = checked_size(math.prod(self.action_space.shape), self.action_space)
        self._dtype = self.action_space.tensor_spec().dtype

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        index, _ = sample_index(_two(params), generator)
        return to_action(index, self.action_space.shape).to(self._dtype)

    def sample_with_log_prob(self, params: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        index, log_prob = sample_index(_two(params), generator)
        return to_action(index, self.action_space.shape).to(self._dtype), log_prob.sum(-1)

    def mode(self, params: Tensor) -> Tensor:
        return to_action(params > 0, self.action_space.shape).to(self._dtype)

    def log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        index = to_vector(action, self.action_space.shape)
        return choice_log_prob(_two(params), index, action, self.action_space).sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        return logits_entropy(_two(params)).sum(-1)

    def kl(self, params: Tensor, other_params: Tensor) -> Tensor:
        return logits_kl(_two(params), _two(other_params)).sum(-1)


def _two(params: Tensor) -> Tensor:
    """Return each coin as a choice between 0 and 1, logits ``[..., coins, 2]``."""
    return torch.stack([torch.zeros_like(params), params], -1)
