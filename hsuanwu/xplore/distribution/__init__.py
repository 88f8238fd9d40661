"""Distributions over actions."""

from hsuanwu.xplore.distribution.base import Distribution
from hsuanwu.xplore.distribution.bernoulli import Bernoulli
from hsuanwu.xplore.distribution.categorical import Categorical
from hsuanwu.xplore.distribution.default import default_distribution
from hsuanwu.xplore.distribution.diagonal_gaussian import DiagonalGaussian
from hsuanwu.xplore.distribution.multi_categorical import MultiCategorical
from hsuanwu.xplore.distribution.notes import action_notes
from hsuanwu.xplore.distribution.squashed_gaussian import SquashedGaussian

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiagonalGaussian",
    "Distribution",
    "MultiCategorical",
    "SquashedGaussian",
    "action_notes",
    "default_distribution",
]
