"""Which encoder fits which observation space."""

from __future__ import annotations

from hsuanwu.common.spaces import Dict, SpaceLike, as_space
from hsuanwu.ops.features import picture_shape
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.combined import CombinedEncoder
from hsuanwu.xploit.encoder.mlp import MlpEncoder
from hsuanwu.xploit.encoder.mnih_cnn import LEAST_PIXELS, MnihCnnEncoder


def default_encoder(observation_space: SpaceLike, feature_dim: int) -> Encoder:
    """Return the encoder that fits an observation space, with its default hyper-parameters.

    A combined one for a Dict, a convolutional one for pictures of at least 36 x 36 pixels, else a perceptron.

    Args:
        observation_space: the observations, in any form that ``as_space`` takes.
        feature_dim: numbers that describe one observation; at least 1.

    Example:
        >>> type(default_encoder({"shape": (4, 84, 84)}, feature_dim=512)).__name__
        'MnihCnnEncoder'
    """
    space = as_space(observation_space, "observation_space")
    if isinstance(space, Dict):
        return CombinedEncoder(space, feature_dim)
    shape = picture_shape(space)
    if shape is not None and min(shape[1:]) >= LEAST_PIXELS:
        return MnihCnnEncoder(space, feature_dim)
    return MlpEncoder(space, feature_dim)
