"""Networks that act."""

from hsuanwu.xploit.policy.base import Policy, PolicyStep, PolicyUnroll
from hsuanwu.xploit.policy.feed_forward import FeedForwardPolicy
from hsuanwu.xploit.policy.lstm import LstmPolicy

__all__ = ["FeedForwardPolicy", "LstmPolicy", "Policy", "PolicyStep", "PolicyUnroll"]
