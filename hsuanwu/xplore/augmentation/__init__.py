"""Augmentations of observations."""

from hsuanwu.xplore.augmentation.base import Augmentation
from hsuanwu.xplore.augmentation.random_shift import RandomShift

__all__ = ["Augmentation", "RandomShift"]
