"""Vectors made in an encoder are those of ``flatten_features``, wherever the encoder is."""

import copy

import numpy as np
import pytest
import torch

from hsuanwu.common.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.ops.features import flatten_features
from hsuanwu.testing.encoder import random_observation
from hsuanwu.xploit.encoder.flat import Flat

SPACES = [
    Discrete(3, start=5),
    MultiDiscrete([[2, 3], [4, 5]]),
    MultiBinary((2, 3)),
    MultiBinary(()),
    Box(-8, 8, (3,)),
    Box(-8, 8, ()),
    Box(0, 1, (2, 3), np.bool_),
    Box(0, 255, (2, 3, 4), np.uint8),
    Box(0, 10, (), np.int64),
    Box([0, -7], [10, 5], (2,), np.int32),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_vectors_are_the_same_to_the_bit(space):
    flat, x = Flat(space), random_observation(space, 6, seed=0)
    expected = flatten_features(space, x)
    assert torch.equal(flat(x), expected) and expected.dtype == torch.float32
    rows = x.unflatten(0, (2, 3))
    assert torch.equal(flat(rows), expected.unflatten(0, (2, 3)))
    assert not flat.state_dict(), "the space is no weight"


def test_divisors_go_where_the_encoder_goes():
    flat = Flat(SPACES[-1])
    assert torch.equal(copy.deepcopy(flat).by, flat.by) and flat.to("meta").by.device.type == "meta"
