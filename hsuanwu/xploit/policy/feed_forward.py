"""Actor and critic on the features of one observation."""

from __future__ import annotations

from torch import Tensor, nn

from hsuanwu.common.nest import Nest, first_leaf, map_nest
from hsuanwu.common.registry import register
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.policy.base import Policy, PolicyUnroll
from hsuanwu.xplore.augmentation.base import Augmentation
from hsuanwu.xplore.distribution.base import Distribution


@register("policy", "feed_forward")
class FeedForwardPolicy(Policy):
    """Encoder, then a linear head for the actions and one for the value.

    Args:
        encoder: from observations to features.
        distribution: family of the actions.
        feature_dim: not used: the heads read the encoder's own ``feature_dim``.
        augmentation: changes observations in ``unroll`` while the module is in training mode, or None.
    """

    def __init__(
        self, encoder: Encoder, distribution: Distribution, feature_dim: int, augmentation: Augmentation | None
    ) -> None:
        super().__init__()
        del feature_dim
        self.encoder, self.augmentation, self.distribution = encoder, augmentation, distribution
        self.actor = distribution.head(encoder.feature_dim)
        self.critic = nn.Linear(encoder.feature_dim, 1)
        self.state_spec: Nest = ()

    def step_params(
        self, observation: Nest, is_first: Tensor, last_action: Tensor, last_reward: Tensor, state: Nest
    ) -> tuple[Tensor, Nest]:
        return self.actor(self.encoder(observation)), ()

    def unroll(
        self, observation: Nest, is_first: Tensor, last_action: Tensor, last_reward: Tensor, state: Nest
    ) -> PolicyUnroll:
        features = encode_rows(self.encoder, self.augmentation if self.training else None, observation)
        return PolicyUnroll(self.actor(features), self.critic(features).squeeze(-1))


def encode_rows(encoder: Encoder, augmentation: Augmentation | None, observation: Nest) -> Tensor:
    """Return the features of all rows, ``[T + 1, B, feature_dim]``, in one call of the encoder."""
    rows = first_leaf(observation).shape[:2]
    flat = map_nest(lambda x: x.flatten(0, 1), observation)
    if augmentation is not None:
        flat = augmentation(flat)
    features: Tensor = encoder(flat)
    return features.unflatten(0, rows)
