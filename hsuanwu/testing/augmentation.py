"""What every augmentation keeps."""

from __future__ import annotations

import copy
import pickle

import torch

from hsuanwu.common.nest import leaves, map_nest, named_leaves
from hsuanwu.testing.encoder import random_observation
from hsuanwu.xplore.augmentation.base import Augmentation


def check_augmentation(augmentation: Augmentation, seed: int = 0) -> None:
    """Assert that an augmentation keeps the contract of augmentations.

    Observations keep their names, shapes and dtypes, what went in is left as it was, the same random
    numbers make the same observations, and the augmentation survives ``pickle`` and ``deepcopy``.

    Args:
        augmentation: any augmentation.
        seed: of the random observations, and of the augmentation.
    """
    observation = random_observation(augmentation.observation_space, 6, seed)
    kept = map_nest(torch.clone, observation)
    copies = (augmentation, augmentation, copy.deepcopy(augmentation), pickle.loads(pickle.dumps(augmentation)))
    results = []
    with torch.random.fork_rng(devices=[]):
        for twin in copies:
            torch.manual_seed(seed)
            results.append(twin(observation))
    for before, after in zip(leaves(kept), leaves(observation), strict=True):
        assert torch.equal(before, after), "the augmentation changed its observation"
    for result in results:
        pairs = zip(named_leaves(observation), named_leaves(result), named_leaves(results[0]), strict=True)
        for (name, before), (result_name, after), (_, first) in pairs:
            assert result_name == name, f"{name} became {result_name}"
            assert after.shape == before.shape, f"{name}: shape {tuple(before.shape)} became {tuple(after.shape)}"
            assert after.dtype == before.dtype, f"{name}: {before.dtype} became {after.dtype}"
            assert torch.equal(after, first), f"{name}: the same random numbers made another observation"
    assert any(
        not torch.equal(before, after) for before, after in zip(leaves(observation), leaves(results[0]), strict=True)
    ), "nothing changed"
