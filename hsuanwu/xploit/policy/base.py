"""The interface of policies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.slab import TensorSpec
from hsuanwu.xploit.encoder.normalizing import NormalizingEncoder
from hsuanwu.xploit.encoder.running_moments import RunningMoments
from hsuanwu.xplore.distribution.base import Distribution

_REWARD_HORIZON = 100_000
"""Steps over which the statistics of rewards are kept: rewards change as the policy does. A step counts in each update
that uses it."""


class PolicyStep(NamedTuple):
    """What a policy does with one observation of each of ``B`` environments."""

    action: Tensor
    """``[B, *action_space.shape]``."""
    log_prob: Tensor
    """``[B]`` float32, log-probability of the action."""
    state: Nest
    """Recurrent state to go on with, ``[B, ...]`` leaves; ``()`` without."""


class PolicyUnroll(NamedTuple):
    """What a policy makes of a whole trajectory."""

    params: Tensor
    """``[T + 1, B, num_params]``: parameters of the action distributions."""
    values: Tensor
    """``[T + 1, B]`` float32: value of each observation."""


class Policy(nn.Module, ABC):
    """A network that acts, and that can be trained on what it did.

    Attributes:
        distribution: the family that ``params`` describe.
        state_spec: nest of ``TensorSpec``, the recurrent state of one environment; ``()`` without.
        reward_moments: of rewards, and of how often episodes begin, for learners that normalise rewards.
    """

    distribution: Distribution
    state_spec: Nest

    def __init__(self) -> None:
        super().__init__()
        self.reward_moments = RunningMoments((2,), horizon=_REWARD_HORIZON)

    @abstractmethod
    def step_params(
        self, observation: Nest, is_first: Tensor, last_action: Tensor, last_reward: Tensor, state: Nest
    ) -> tuple[Tensor, Nest]:
        """Return distribution parameters ``[B, num_params]`` and the next state for one row of ``B`` environments."""

    @abstractmethod
    def unroll(
        self, observation: Nest, is_first: Tensor, last_action: Tensor, last_reward: Tensor, state: Nest
    ) -> PolicyUnroll:
        """Return parameters and values for ``T + 1`` rows of ``B`` environments; gradients flow.

        Args:
            observation: ``[T + 1, B, ...]`` leaves.
            is_first: ``[T + 1, B]`` bool; the state is reset before such a row is consumed.
            last_action: ``[T + 1, B, *action_space.shape]``.
            last_reward: ``[T + 1, B]``.
            state: recurrent state before row 0, ``[B, ...]`` leaves.
        """

    def observe(self, observation: Nest) -> None:
        """Take observations into the running statistics of encoders that normalise; no weight changes.

        Args:
            observation: ``[T + 1, B, ...]`` leaves, as in ``unroll``; the last row is left to the next batch.
        """
        encoders = [module for module in self.modules() if isinstance(module, NormalizingEncoder)]
        if encoders:
            flat = map_nest(lambda x: x[:-1].flatten(0, 1), observation)
            for encoder in encoders:
                encoder.observe(flat)

    def act(
        self,
        observation: Nest,
        is_first: Tensor,
        last_action: Tensor,
        last_reward: Tensor,
        state: Nest,
        generator: torch.Generator | None = None,
        deterministic: bool = False,
    ) -> PolicyStep:
        """Return actions for one row of ``B`` environments: samples, or modes where ``deterministic``."""
        params, state = self.step_params(observation, is_first, last_action, last_reward, state)
        distribution = self.distribution
        if not deterministic:
            return PolicyStep(*distribution.sample_with_log_prob(params, generator), state)
        action = distribution.mode(params)
        return PolicyStep(action, distribution.log_prob(params, action), state)

    def init_state(self, batch_size: int) -> Nest:
        """Return the state at the beginning of ``batch_size`` episodes: zeros, or ``()`` without recurrence."""
        device = next(self.parameters()).device

        def zeros(spec: TensorSpec) -> Tensor:
            return torch.zeros((batch_size, *spec.shape), dtype=spec.dtype, device=device)

        return map_nest(zeros, self.state_spec)
