"""Numbers on their way into a network: an oracle that looks at them one by one."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.ops.features import (
    divisor,
    flatten_features,
    is_channels_last,
    is_empty,
    num_features,
    picture_shape,
)
from hsuanwu.testing.encoder import random_observation

INF = math.inf
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
FLOATS = ("float16", "float32", "float64")


def expected_divisors(space):
    """The rule, for one number after the other."""
    is_picture = len(space.shape) == 3 and 0 not in space.shape
    low, high = (bound.flatten().tolist() for bound in (space.low, space.high))
    sizes = [max(abs(float(a)), abs(float(b))) for a, b in zip(low, high, strict=True)]
    if is_picture:
        sizes = [max(sizes)] * len(sizes)
    is_whole = space.dtype.kind != "f"
    if not (is_whole or (is_picture and min(low) >= 0)):
        return [1.0] * len(sizes)
    return [size if 0 < size < 2**31 - 1 else 1.0 for size in sizes]


@st.composite
def boxes(draw):
    dtype = np.dtype(draw(st.sampled_from(INTEGERS + FLOATS)))
    shape = draw(np_st.array_shapes(min_dims=0, max_dims=4, max_side=3))
    elements = np_st.from_dtype(dtype, **({"allow_nan": False} if dtype.kind == "f" else {}))
    if draw(st.booleans()):
        small = st.integers(0, 1 if dtype.kind == "b" else 100)
        elements = small.map(dtype.type)
    bounds = [draw(np_st.arrays(dtype, shape, elements=elements)) for _ in range(2)]
    return Box(np.minimum(*bounds), np.maximum(*bounds), shape, dtype)


@settings(deadline=None)
@given(boxes())
def test_divisors_are_those_of_the_rule(space):
    found = divisor(space)
    found = [found] * num_features(space) if isinstance(found, float) else found.tolist()
    np.testing.assert_allclose(found, expected_divisors(space), rtol=1e-7)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Box(0, 255, (4, 84, 84), np.uint8), 255),
        (Box(0, 255, (7,), np.uint8), 255),
        (Box(0, 10, (7,), np.uint8), 10),
        (Box(0, 1, (7,), np.uint8), 1),
        (Box(0, 1, (7,), np.bool_), 1),
        (Box(0, 255, (84, 84, 3), np.int64), 255),
        (Box(-100, 100, (7,), np.int64), 100),
        (Box(-128, 127, (7,), np.int8), 128),
        (Box(0, 65_535, (84, 84, 1), np.uint16), 65_535),
        (Box(-(2**31), 2**31 - 1, (7,), np.int32), 1),
        (Box(0, 2**31 - 1, (7,), np.int64), 1),
        (Box(-(2**63), 2**63 - 1, (7,), np.int64), 1),
        (Box(0, 2**64 - 1, (7,), np.uint64), 1),
        (Box(0, 0, (7,), np.uint8), 1),
        (Box(0, 255, (84, 84, 3)), 255),
        (Box(0, 255, (84, 84, 3), np.float16), 255),
        (Box(0, 1, (84, 84, 3), np.float64), 1),
        (Box(-1, 1, (84, 84, 3)), 1),
        (Box(-10, 10, (84, 84, 3)), 1),
        (Box(0, INF, (84, 84, 3)), 1),
        (Box(0, [[[9]], [[5]]], (2, 84, 84)), 9),
        (Box(0, [[[INF]], [[5]]], (2, 84, 84)), 1),
        (Box(-8, 8, (3,)), 1),
        (Box(0, 255, (84, 84)), 1),
        (Box(-INF, INF, (3,)), 1),
        (Box(0, 1, (0,), np.uint8), 1),
    ],
    ids=str,
)
def test_the_whole_space_has_one_divisor(space, expected):
    assert divisor(space) == expected


def test_numbers_with_bounds_of_their_own_are_divided_by_them():
    space = Box([0, -20, 0, 0], [10, 5, 2**40, 0], (4,), np.int64)
    assert divisor(space).tolist() == [10, 20, 1, 1]
    x = torch.tensor([[5, -20, 7, 0]])
    assert flatten_features(space, x).tolist() == [[0.5, -1, 7, 0]]


@settings(deadline=None)
@given(boxes())
def test_vectors_are_quotients(space):
    x = random_observation(space, 3, seed=0)
    found, by = flatten_features(space, x), torch.tensor(expected_divisors(space), dtype=torch.float64)
    assert found.dtype == torch.float32 and found.shape == (3, num_features(space))
    with np.errstate(over="ignore"):
        exact = (x.double().reshape(3, -1) / by).float()
    torch.testing.assert_close(found, exact, rtol=1e-6, atol=0, equal_nan=True)


def test_bytes_and_floats_are_what_they_were_to_the_bit():
    """Runs that began before spaces were asked go on as they were."""
    x = torch.arange(256, dtype=torch.uint8).reshape(1, 256)
    assert torch.equal(flatten_features(Box(0, 255, (256,), np.uint8), x), x.float() / 255)
    y = torch.randn(5, 3)
    assert torch.equal(flatten_features(Box([-1, -1, -8], [1, 1, 8], (3,)), y), y)


def test_integers_are_one_hot_and_bits_are_not():
    assert flatten_features(Discrete(3, start=5), torch.tensor([[2], [0]])).tolist() == [[[0, 0, 1]], [[1, 0, 0]]]
    x = torch.tensor([[1, 0], [0, 2]])
    assert flatten_features(MultiDiscrete([2, 3]), x).tolist() == [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]]
    assert flatten_features(MultiBinary((2, 1)), torch.tensor([[[1], [0]]])).tolist() == [[1, 0]]


def test_sizes_do_not_wrap_around():
    assert num_features(MultiDiscrete([2**62, 2**62])) == 2**63
    assert num_features(Discrete(10**30)) == 10**30


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        *[((c, 84, 84), c) for c in (1, 2, 3, 4, 9, 12, 36, 100)],
        *[((84, 84, c), c) for c in (1, 2, 3, 4, 9, 12, 36, 100)],
        *[((c, 96, 84), c) for c in (1, 3, 4, 12, 36)],
        *[((96, 84, c), c) for c in (1, 2, 3, 4, 9, 12, 21)],
        ((210, 160, 12), 12),
        ((10, 10, 10), 10),
        ((4, 84, 4), 4),
        ((64, 48, 36), 64),
        ((3, 9, 7), 3),
        ((1, 2, 3), 1),
        ((8, 8, 111), 111),
    ],
    ids=str,
)
def test_channels(shape, channels):
    height, width = shape[:2] if is_channels_last(shape) else shape[1:]
    assert picture_shape(Box(0, 1, shape)) == (channels, height, width)
    assert channels * height * width == math.prod(shape)


def test_every_picture_with_channels_first_can_be_shown():
    """If not as it is, then with its rows and columns exchanged."""
    sizes = range(1, 25)
    for c, h, w in ((c, h, w) for c in sizes for h in sizes for w in sizes):
        assert not is_channels_last((c, h, w)) or not is_channels_last((c, w, h)), (c, h, w)


@pytest.mark.parametrize(
    "space",
    [
        Box(0, 1, (84, 84)),
        Box(0, 1, (4, 84, 84, 3)),
        Box(0, 1, (0, 84, 84)),
        MultiBinary((1, 84, 84)),
        Discrete(3),
        Dict({"a": Box(0, 1, (1, 84, 84))}),
    ],
    ids=str,
)
def test_what_is_no_picture(space):
    assert picture_shape(space) is None


def test_is_empty():
    nothing = Box(0, 1, (3, 0))
    assert is_empty(nothing) and is_empty(Dict({"a": nothing, "b": Dict({"c": MultiBinary((0,))})}))
    assert not is_empty(Discrete(1)) and not is_empty(Box(0, 1, ()))
    assert not is_empty(Dict({"a": nothing, "b": Dict({"c": Discrete(1)})}))
