"""Algorithms."""

from hsuanwu.xploit.learner.base import Learner
from hsuanwu.xploit.learner.impala import IMPALALearner

__all__ = ["IMPALALearner", "Learner"]
