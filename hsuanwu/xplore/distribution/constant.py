"""Numbers that belong to a distribution, on whatever device it is used."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor


class Constant:
    """An array as a tensor; an accelerator gets it once, as no copy from the CPU can be part of a CUDA graph.

    Args:
        array: the numbers; they do not change.
    """

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array
        self._copies: dict[torch.device, Tensor] = {}

    def on(self, device: torch.device) -> Tensor:
        """Return the numbers on ``device``."""
        if device.type == "cpu":
            return torch.as_tensor(self._array)
        if device not in self._copies:
            with torch.inference_mode(False):  # gradients may flow past it later
                self._copies[device] = torch.as_tensor(self._array, device=device)
        return self._copies[device]

    def __reduce__(self) -> tuple[type[Constant], tuple[npt.NDArray[Any]]]:
        return Constant, (self._array,)
