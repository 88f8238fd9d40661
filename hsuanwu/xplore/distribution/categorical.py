"""The categorical distribution, and the maths of logits that its relatives share."""

from __future__ import annotations

import torch
from torch import Tensor

from hsuanwu.common.registry import register
from hsuanwu.common.spaces import Discrete, SpaceLike
from hsuanwu.xplore.distribution.base import Distribution
from hsuanwu.xplore.distribution.default import misfit


@register("distribution", "categorical")
class Categorical(Distribution):
    """One of ``n`` actions: ``p_i = exp(l_i) / sum_j exp(l_j)``, the parameters are the logits ``l``.

    A logit of ``-inf`` forbids an action, as long as one of them is finite.

    Args:
        action_space: a Discrete space, in any form that ``as_space`` takes.

    Raises:
        ConfigurationError: if the space is not Discrete.

    Example:
        >>> categorical = Categorical(Discrete(3))
        >>> categorical.mode(torch.tensor([[0.0, 2.0, 1.0]]))
        tensor([1])
    """

    def __init__(self, action_space: SpaceLike) -> None:
        super().__init__(action_space)
        if not isinstance(self.action_space, Discrete):
            raise misfit("categorical", "a Discrete action_space", self.action_space)
        self.num_params = self.action_space.n
        self._dtype = self.action_space.tensor_spec().dtype

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return sample_index(params, generator)[0].to(self._dtype)

    def sample_with_log_prob(self, params: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        index, log_prob = sample_index(params, generator)
        return index.to(self._dtype), log_prob

    def mode(self, params: Tensor) -> Tensor:
        return params.argmax(-1).to(self._dtype)

    def log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        return index_log_prob(params, action)

    def entropy(self, params: Tensor) -> Tensor:
        return logits_entropy(params)

    def kl(self, params: Tensor, other_params: Tensor) -> Tensor:
        return logits_kl(params, other_params)


def sample_index(logits: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Return one random index each, ``[...]`` int64, of logits ``[..., n]``, and their log-probabilities.

    The index is the first whose cumulated probability exceeds a uniform number, so that one without probability
    is never drawn: the number is a multiple of 2^-24 below 1, and stays below the last sum when scaled with it.
    """
    log_probs = _log_softmax(logits.detach())
    sums = log_probs.exp().cumsum(-1).contiguous()
    uniform = torch.rand(*logits.shape[:-1], 1, generator=generator, device=logits.device)
    index = torch.searchsorted(sums, uniform * sums[..., -1:], right=True)
    index.clamp_(max=logits.shape[-1] - 1)  # of NaN; the learner says what is wrong
    return index.squeeze(-1), log_probs.gather(-1, index).squeeze(-1)


def index_log_prob(logits: Tensor, index: Tensor) -> Tensor:
    """Return the log-probability of ``index``, ``[...]``, under logits ``[..., n]``."""
    log_probs = _log_softmax(logits)
    # gather alone would quietly drop rows of the logits for which there is no index
    column = index.long().unsqueeze(-1).expand(*log_probs.shape[:-1], 1)
    return log_probs.gather(-1, column).squeeze(-1)


def _log_softmax(logits: Tensor) -> Tensor:
    """Return log-probabilities, float32; on CPUs the reduction over a few columns is faster along the first axis."""
    return torch.log_softmax(logits.float().movedim(-1, 0), 0).movedim(0, -1)


def logits_entropy(logits: Tensor) -> Tensor:
    """Return ``-sum_i p_i log p_i`` of logits ``[..., n]``; what has no probability adds nothing."""
    log_probs = _log_softmax(logits)
    probs = log_probs.exp()
    return -(probs * torch.where(probs > 0, log_probs, 0.0)).sum(-1)


def logits_kl(logits: Tensor, other_logits: Tensor) -> Tensor:
    """Return ``sum_i p_i (log p_i - log q_i)`` of two logits ``[..., n]``."""
    log_probs = _log_softmax(logits)
    other_log_probs = _log_softmax(other_logits)
    probs = log_probs.exp()
    return (probs * torch.where(probs > 0, log_probs - other_log_probs, 0.0)).sum(-1)
