"""Every registered augmentation keeps the contract, on every space that it fits."""

import numpy as np
import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Dict, Discrete
from hsuanwu.testing.augmentation import check_augmentation
from hsuanwu.xplore import augmentation as room

IMAGE = Box(0, 255, (3, 12, 10), np.uint8)
SPACES = [
    IMAGE,
    Box(0, 255, (12, 10, 3), np.uint8),
    Box(-np.inf, np.inf, (2, 9, 8)),
    Dict({"image": IMAGE, "inner": Dict({"speed": Box(-1, 1, (3,)), "depth": Box(0, 1, (1, 8, 8))})}),
    Dict({"speed": Box(-1, 1, (3,))}),
    Box(-1, 1, (4,)),
    Discrete(4),
]


@pytest.mark.parametrize("name", options("augmentation"))
def test_fits_or_refuses(name):
    assert room.Augmentation
    fits = 0
    for space in SPACES:
        try:
            augmentation = options("augmentation")[name](space)
        except ConfigurationError as error:
            assert str(error).startswith(f"augmentation: {name} ") and "found" in str(error) and "use " in str(error)
            continue
        check_augmentation(augmentation)
        fits += 1
    assert fits
