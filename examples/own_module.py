"""An encoder of one's own: a file on the Python path, named by the path of its class.

Each number of an observation is seen through waves of several frequencies. From the folder above::

    PYTHONPATH=examples hsuanwu-train "encoder={_target_: own_module.WaveEncoder, num_waves: 4}"

``own_app.py`` shows how to choose it by its name, with typed and checked hyper-parameters.
"""

import torch
from torch import Tensor, nn

from hsuanwu.common.registry import register
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.ops.features import flatten_features, num_features
from hsuanwu.xploit.encoder import Encoder


@register("encoder", "wave")
class WaveEncoder(Encoder):
    """Cosines with learnt frequencies and phases, and a linear layer.

    Args:
        observation_space: any space but a Dict, in any form that ``as_space`` takes.
        feature_dim: size of the linear layer.
        num_waves: waves for each number of an observation.
    """

    def __init__(self, observation_space: SpaceLike, feature_dim: int, num_waves: int = 8) -> None:
        super().__init__(observation_space, feature_dim)
        count = num_features(self.observation_space)
        self.waves = nn.Linear(count, count * num_waves)
        self.linear = nn.Linear(count * num_waves, feature_dim)

    def forward(self, observation: Tensor) -> Tensor:
        """Return the features ``[N, feature_dim]`` of a batch of observations."""
        numbers = flatten_features(self.observation_space, observation)
        return torch.relu(self.linear(torch.cos(self.waves(numbers))))
