"""How the weights of a policy begin."""

from __future__ import annotations

import math

from torch import nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.xploit.policy.base import Policy

_HIDDEN_GAIN = math.sqrt(2)
_HEAD_GAINS = {"actor": 0.01, "critic": 1.0}


def initialize(policy: Policy, init: str) -> None:
    """Give the weights of a policy their first values, in place.

    Args:
        policy: any policy; its submodules ``actor`` and ``critic``, where it has them, are its heads.
        init: ``"default"`` leaves torch's values. ``"orthogonal"`` makes the matrix of each linear layer, convolution
            and gate orthogonal, of gain sqrt(2) (1 in an LSTM, 0.01 in the last layer of the actions' head, 1 in that
            of the value's), and each bias 0: near-uniform actions at first, and signals that neither fade nor grow.

    Raises:
        ConfigurationError: if there is no such initialisation.

    Source: Saxe et al. 2014, arXiv 1312.6120; the gains are those of Andrychowicz et al. 2021, arXiv 2006.05990.
    """
    if init not in ("default", "orthogonal"):
        raise ConfigurationError(f"learner.init: found {init!r}; use 'default' or 'orthogonal'")
    if init == "default":
        return
    heads = {name: gain for name, gain in _HEAD_GAINS.items() if hasattr(policy, name)}
    hidden = [layer for name in heads for layer in _hidden_layers(getattr(policy, name))]
    for name, module in policy.named_modules():
        first, *rest = name.split(".")
        if "log_std" in rest:
            continue  # its bias is the distribution's to choose
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            is_last = first in heads and not any(module is layer for layer in hidden)
            nn.init.orthogonal_(module.weight, heads[first] if is_last else _HIDDEN_GAIN)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTM):
            _orthogonal_gates(module)


def _hidden_layers(head: nn.Module) -> list[nn.Module]:
    """Return the linear layers of a head that another one follows in sequence."""
    sequences = [module for module in head.modules() if isinstance(module, nn.Sequential)]
    return [x for sequence in sequences for x in [m for m in sequence.modules() if isinstance(m, nn.Linear)][:-1]]


def _orthogonal_gates(lstm: nn.LSTM) -> None:
    for name, parameter in lstm.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        else:
            for gate in parameter.data.chunk(4):
                nn.init.orthogonal_(gate)
