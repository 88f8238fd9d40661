"""The interface of action distributions."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from hsuanwu.common.outside import refuse_outside
from hsuanwu.common.spaces import Box, Space, SpaceLike, as_space
from hsuanwu.ops.features import flatten_features
from hsuanwu.xplore.distribution.event import to_vector
from hsuanwu.xplore.distribution.units import BoundUnits


class Distribution(ABC):
    """A family of distributions over the actions of one space.

    An object of it has no weights: the parameters of a distribution are one float tensor
    ``params``, ``[..., num_params]``, that the network's head makes, and every method is a function
    of it. Actions are ``[..., *action_space.shape]``; a Discrete action counts from 0, whatever the
    ``start`` of its space.

    Args:
        action_space: the actions, in any form that ``as_space`` takes.

    Attributes:
        action_space: the actions.
        num_params: numbers that describe one distribution.

    Raises:
        ConfigurationError: if the family does not fit the space.
    """

    action_space: Space
    num_params: int

    def __init__(self, action_space: SpaceLike) -> None:
        self.action_space = space = as_space(action_space, "action_space")
        self._bound_units = BoundUnits(space) if isinstance(space, Box) and space.dtype.kind == "f" else None

    def head(self, feature_dim: int) -> nn.Module:
        """Return a new module from features ``[..., feature_dim]`` to ``params``."""
        return nn.Linear(feature_dim, self.num_params)

    @abstractmethod
    def sample(self, params: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return one random action each, ``[..., *action_space.shape]``; no gradient flows."""

    def sample_with_log_prob(self, params: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return one random action each, and its log-probability, ``[...]`` float32; no gradient flows.

        A family may override it where the two together are cheaper than one after the other.
        """
        params = params.detach()
        action = self.sample(params, generator)
        return action, self.log_prob(params, action)

    @abstractmethod
    def mode(self, params: Tensor) -> Tensor:
        """Return the action of greatest density each (for a squashed family: the image of the mean)."""

    @abstractmethod
    def log_prob(self, params: Tensor, action: Tensor) -> Tensor:
        """Return the log-probability (density) of ``action``, ``[...]`` float32, differentiable in ``params``.

        Raises:
            ConfigurationError: if an integer is none of those of the space (NaN is returned on an accelerator).
            FloatingPointError: if a number is NaN though its parameters are not (likewise).
        """

    @abstractmethod
    def entropy(self, params: Tensor) -> Tensor:
        """Return the (differential) entropy in nats, ``[...]``, differentiable in ``params``."""

    def excess(self, params: Tensor) -> Tensor:
        """Return how far the mode lies where the environment sees no difference any more, ``[...]`` float32.

        The square of the distance to where it still does, summed over the numbers of an action; differentiable in
        ``params``. 0 everywhere for a family without such a place.
        """
        return params.new_zeros(params.shape[:-1], dtype=torch.float32)

    @property
    def has_excess(self) -> bool:
        """Whether ``excess`` can be above 0: whether the family says what it is."""
        return type(self).excess is not Distribution.excess

    def features(self, action: Tensor) -> Tensor:
        """Return actions as a network reads them, ``[..., num_features(action_space)]`` float32.

        Numbers of a Box are in the units of its bounds (``BoundUnits``), integers are one-hot.
        """
        space = self.action_space
        if self._bound_units is None:
            try:
                return flatten_features(space, action)
            except RuntimeError:
                refuse_outside(space, action, "last_action")
                raise
        return self._bound_units.from_environment(to_vector(action, space.shape))

    @abstractmethod
    def kl(self, params: Tensor, other_params: Tensor) -> Tensor:
        """Return ``KL(params || other_params)`` in nats, ``[...]``, differentiable in both."""
