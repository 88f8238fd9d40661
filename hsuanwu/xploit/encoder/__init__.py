"""Encoders: from observations to features."""

from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.combined import CombinedEncoder
from hsuanwu.xploit.encoder.default import default_encoder
from hsuanwu.xploit.encoder.espeholt_residual import EspeholtResidualEncoder
from hsuanwu.xploit.encoder.identity import IdentityEncoder
from hsuanwu.xploit.encoder.minatar_cnn import MinAtarCnnEncoder
from hsuanwu.xploit.encoder.mixed_precision import MixedPrecisionEncoder
from hsuanwu.xploit.encoder.mlp import MlpEncoder
from hsuanwu.xploit.encoder.mnih_cnn import LEAST_PIXELS, MnihCnnEncoder
from hsuanwu.xploit.encoder.normalizing import NormalizingEncoder, normalized_space

__all__ = [
    "LEAST_PIXELS",
    "CombinedEncoder",
    "Encoder",
    "EspeholtResidualEncoder",
    "IdentityEncoder",
    "MinAtarCnnEncoder",
    "MixedPrecisionEncoder",
    "MlpEncoder",
    "MnihCnnEncoder",
    "NormalizingEncoder",
    "default_encoder",
    "normalized_space",
]
