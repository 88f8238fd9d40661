"""The categorical distribution, and the maths of logits that its relatives share."""

from __future__ import annotations

import torch
from torch import Tensor

from hsuanwu.common.outside import refuse_outside
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import Discrete, Space, SpaceLike
from hsuanwu.xplore.distribution.base import Distribution
from hsuanwu.xplore.distribution.default import misfit
from hsuanwu.xplore.distribution.size import checked_size


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
        self.num_params = checked_size(self.action_space.n, self.action_space)
        self._dtype = self.action_space.tensor_spec().dtype

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return sample_index(params, generator)[0].to(self._dtype)

    def sample_with_log_prob(self, params: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        index, log_prob = sample_index(params, generator)
        return index.to(self._dtype), log_prob

    def mode(self, params: Tensor) -> Tensor:
        return params.argmax(-1).to(self._dtype)

    def log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        return choice_log_prob(params, action, action, self.action_space)

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


def choice_log_prob(logits: Tensor, index: Tensor, action: Tensor, space: Space) -> Tensor:
    """Return what ``index_log_prob`` does; an index that is none of those of ``space`` is refused in one line.

    Args:
        logits: ``[..., n]``.
        index: ``action``, with as many axes as the logits have before the last.
        action: for the error, ``[..., *space.shape]``.
        space: the actions.
    """
    if action.is_floating_point():
        refuse_outside(space, action)  # what follows would cut off fractions
    try:
        return index_log_prob(logits, index)
    except (IndexError, RuntimeError):
        refuse_outside(space, action)
        raise


def index_log_prob(logits: Tensor, index: Tensor) -> Tensor:
    """Return the log-probability of ``index``, ``[...]``, under logits ``[..., n]``.

    An index outside the logits is an error on the CPU, and NaN on an accelerator: to look at it there would be to
    wait for it, and not to look ends in an assertion after which the device cannot be used any more.
    """
    log_probs = _log_softmax(logits)
    # gather alone would quietly drop rows of the logits for which there is no index
    column = index.long().unsqueeze(-1).expand(*log_probs.shape[:-1], 1)
    if column.device.type == "cpu":
        return log_probs.gather(-1, column).squeeze(-1)
    return _gather_or_nan(log_probs, column).squeeze(-1)


def _gather_or_nan(x: Tensor, column: Tensor) -> Tensor:
    nearest = column.clamp(0, x.shape[-1] - 1)
    return torch.where(column == nearest, x.gather(-1, nearest), torch.nan)


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
