"""Independent seeds from one: nothing here touches a global generator."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derive_seed(seed: int, *path: int | str) -> int:
    """Return a seed in [0, 2**31) for the part of the program that ``path`` names.

    The same seed and path always give the same value; different paths give independent streams
    (``numpy.random.SeedSequence``).

    Example:
        >>> derive_seed(1, "actor", 0) == derive_seed(1, "actor", 0)
        True
        >>> derive_seed(1, "actor", 0) == derive_seed(1, "actor", 1)
        False
    """
    key = tuple(_word(part) for part in path)
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0] >> 1)


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch generator of its own, seeded with ``seed``."""
    generator = torch.Generator(device=device)
    generator.manual_seed(seed)
    return generator


def _word(part: int | str) -> int:
    if isinstance(part, int):
        return part
    return int.from_bytes(hashlib.sha256(part.encode()).digest()[:4], "little")
