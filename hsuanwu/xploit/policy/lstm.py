"""Actor and critic that remember."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from hsuanwu.common.nest import Nest, map_nest
from hsuanwu.common.registry import register
from hsuanwu.common.slab import TensorSpec
from hsuanwu.ops.features import num_features
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.policy.base import Policy, PolicyUnroll
from hsuanwu.xploit.policy.feed_forward import encode_rows
from hsuanwu.xplore.augmentation.base import Augmentation
from hsuanwu.xplore.distribution.base import Distribution


@register("policy", "lstm")
class LstmPolicy(Policy):
    """Encoder, then an LSTM that also reads the last action and reward, then the two heads.

    As in Espeholt et al. 2018, figure 3: the LSTM's input is the features, the last action as a vector
    (``Distribution.features``) and the last reward clipped to [-1, 1], both zeros at the first row of an episode.

    Args:
        encoder: from observations to features.
        distribution: family of the actions.
        feature_dim: size of the LSTM's hidden state and of its cell.
        augmentation: changes observations in ``unroll`` while the module is in training mode, or None.
    """

    def __init__(
        self, encoder: Encoder, distribution: Distribution, feature_dim: int, augmentation: Augmentation | None
    ) -> None:
        super().__init__()
        self.encoder, self.augmentation, self.distribution = encoder, augmentation, distribution
        self.core = nn.LSTM(encoder.feature_dim + num_features(distribution.action_space) + 1, feature_dim)
        self.actor = distribution.head(feature_dim)
        self.critic = nn.Linear(feature_dim, 1)
        spec = TensorSpec((feature_dim,), torch.float32)
        self.state_spec: Nest = (spec, spec)

    def step_params(
        self, observation: Nest, is_first: Tensor, last_action: Tensor, last_reward: Tensor, state: Nest
    ) -> tuple[Tensor, Nest]:
        features = self.encoder(observation)
        inputs = self._core_input(features, is_first, last_action, last_reward)
        output, state = self._run(inputs.unsqueeze(0), _reset(state, is_first))
        return self.actor(output[0]), state

    def unroll(
        self, observation: Nest, is_first: Tensor, last_action: Tensor, last_reward: Tensor, state: Nest
    ) -> PolicyUnroll:
        features = encode_rows(self.encoder, self.augmentation if self.training else None, observation)
        inputs = self._core_input(features, is_first, last_action, last_reward)
        outputs = []
        for start, stop in _segments(is_first):
            output, state = self._run(inputs[start:stop], _reset(state, is_first[start]))
            outputs.append(output)
        hidden = torch.cat(outputs)
        return PolicyUnroll(self.actor(hidden), self.critic(hidden).squeeze(-1))

    def _core_input(self, features: Tensor, is_first: Tensor, last_action: Tensor, last_reward: Tensor) -> Tensor:
        action = self.distribution.features(last_action)
        reward = last_reward.float().clamp(-1, 1).unsqueeze(-1)
        outcome = torch.cat([action, reward], -1).masked_fill(is_first.unsqueeze(-1), 0.0)
        return torch.cat([features, outcome], -1)

    def _run(self, inputs: Tensor, state: Nest) -> tuple[Tensor, Nest]:
        hidden, cell = state
        if len(inputs) == 1:
            # nn.LSTM prepares its weights anew in each call, which takes longer on a CPU than one row does
            hidden, cell = torch.lstm_cell(inputs[0], (hidden, cell), *self.core.parameters())
            return hidden.unsqueeze(0), (hidden, cell)
        output, (hidden, cell) = self.core(inputs, (hidden.unsqueeze(0), cell.unsqueeze(0)))
        return output, (hidden.squeeze(0), cell.squeeze(0))


def _reset(state: Nest, is_first: Tensor) -> Nest:
    """Return the state with zeros where an episode begins."""
    return map_nest(lambda x: x.masked_fill(is_first.unsqueeze(-1), 0.0), state)


def _segments(is_first: Tensor) -> list[tuple[int, int]]:
    """Return the stretches of rows inside which no environment begins an episode."""
    starts = [row for row, begins in enumerate(is_first.any(1).tolist()) if begins and row > 0]
    edges = [0, *starts, is_first.shape[0]]
    return list(pairwise(edges))
