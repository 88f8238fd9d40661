"""Several categorical distributions side by side."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hsuanwu.common.outside import refuse_outside
from hsuanwu.common.registry import register
from hsuanwu.common.spaces import MultiDiscrete, SpaceLike
from hsuanwu.xplore.distribution.base import Distribution
from hsuanwu.xplore.distribution.categorical import choice_log_prob, logits_entropy, logits_kl, sample_index
from hsuanwu.xplore.distribution.constant import Constant
from hsuanwu.xplore.distribution.default import misfit
from hsuanwu.xplore.distribution.event import to_action, to_vector
from hsuanwu.xplore.distribution.size import checked_size


@register("distribution", "multi_categorical")
class MultiCategorical(Distribution):
    """Independent choices, the i-th one of ``nvec[i]``; the parameters are all their logits side by side.

    Every choice counts from 0, whatever the ``start`` of the space.

    Args:
        action_space: a MultiDiscrete space of any shape, in any form that ``as_space`` takes.

    Raises:
        ConfigurationError: if the space is not MultiDiscrete.

    Example:
        >>> choices = MultiCategorical(MultiDiscrete([2, 3]))
        >>> choices.mode(torch.tensor([[1.0, 0.0, 0.0, 0.0, 4.0]]))
        tensor([[0, 2]])
    """

    def __init__(self, action_space: SpaceLike) -> None:
        super().__init__(action_space)
        if not isinstance(self.action_space, MultiDiscrete):
            raise misfit("multi_categorical", "a MultiDiscrete action_space", self.action_space)
        sizes = self.action_space.nvec.astype(np.int64).flatten()
        self._table_shape = (len(sizes), int(sizes.max()))
        checked_size(math.prod(self._table_shape), self.action_space)
        self.num_params = int(sizes.sum())
        columns = _columns(sizes)
        self._columns = None if columns is None else Constant(columns)
        self._sizes = Constant(sizes)
        self._dtype = self.action_space.tensor_spec().dtype

    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        index, _ = sample_index(self._table(params), generator)
        return to_action(index, self.action_space.shape).to(self._dtype)

    def sample_with_log_prob(self, params: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        index, log_prob = sample_index(self._table(params), generator)
        return to_action(index, self.action_space.shape).to(self._dtype), log_prob.sum(-1)

    def mode(self, params: Tensor) -> Tensor:
        return to_action(self._table(params).argmax(-1), self.action_space.shape).to(self._dtype)

    def log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        index = to_vector(action, self.action_space.shape)
        if self._columns is not None and index.device.type == "cpu" and (index >= self._sizes.on(index.device)).any():
            refuse_outside(self.action_space, action)  # the table has a place for it, with a logit of -inf
        return choice_log_prob(self._table(params), index, action, self.action_space).sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        return logits_entropy(self._table(params)).sum(-1)

    def kl(self, params: Tensor, other_params: Tensor) -> Tensor:
        return logits_kl(self._table(params), self._table(other_params)).sum(-1)

    def _table(self, params: Tensor) -> Tensor:
        """Return the logits as a table, ``[..., choices, max(nvec)]``; -inf fills up the shorter rows."""
        if self._columns is not None:
            filler = functional.pad(params, (0, 1), value=-torch.inf)
            params = filler.index_select(-1, self._columns.on(params.device))
        return params.reshape(*params.shape[:-1], *self._table_shape)


def _columns(sizes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """Return which parameter stands where in the table (the one after the last is -inf); None if all rows are full."""
    if (sizes == sizes[0]).all():
        return None
    place = np.arange(sizes.max())
    starts = np.cumsum(sizes) - sizes
    return np.where(place < sizes[:, None], starts[:, None] + place, sizes.sum()).flatten()
