"""Hsuanwu: a modular reinforcement-learning framework in PyTorch."""

__version__ = "0.1.0"
