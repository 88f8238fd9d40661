"""The lines that say what becomes of an observation."""

import numpy as np
import pytest
import torch

from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.engine.description import describe_observation
from hsuanwu.xploit.encoder import (
    IdentityEncoder,
    MinAtarCnnEncoder,
    MixedPrecisionEncoder,
    MlpEncoder,
    NormalizingEncoder,
    default_encoder,
    normalized_space,
)
from hsuanwu.xploit.encoder.base import Encoder


def described(space, **kwargs):
    return describe_observation(default_encoder(space, 64), **kwargs)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Box(-8, 8, (3,)), "mlp, 64 features of 3 numbers, as they are"),
        (Box(0, 10, (1,), np.uint8), "mlp, 64 features of 1 number, divided by 10"),
        (Box(0, [10, 2000], (2,), np.int64), "mlp, 64 features of 2 numbers, each divided by its bound (10 to 2,000)"),
        (Discrete(4), "mlp, 64 features of 1 of 4 integers, one-hot"),
        (MultiDiscrete([2, 3]), "mlp, 64 features of 2 integers, one-hot in 5 numbers"),
        (MultiBinary((2, 3)), "mlp, 64 features of 6 numbers, 0 or 1"),
        (
            Box(0, 255, (4, 84, 84), np.uint8),
            "mnih_cnn, 64 features of a picture of 4 channels, 84 x 84, divided by 255",
        ),
        (
            Box(0, 65_535, (84, 96, 1), np.uint16),
            "mnih_cnn, 64 features of a picture of 1 channel, 84 x 96 (channels last), divided by 65,535",
        ),
    ],
    ids=str,
)
def test_one_line_for_one_array(space, expected):
    assert described(space) == [f"Encoder: {expected}"]


def test_a_line_for_each_entry():
    inner = Dict({"b.c": Box(-1, 1, (2,)), "none": Box(0, 1, (0,))})
    gone = Dict({"x": Box(0, 1, (0,))})
    space = Dict({"camera": Box(0, 1, (40, 48, 9)), "inner": inner, "gone": gone, "gear": Discrete(5)})
    assert described(space) == [
        "Encoder: combined, 64 features",
        "  camera: a picture of 9 channels, 40 x 48 (channels last), as they are (mnih_cnn)",
        "  inner.b.c: 2 numbers, as they are (mlp)",
        "  inner.none: left out, for it has no numbers",
        "  gone: left out, for it has no numbers",
        "  gear: 1 of 5 integers, one-hot (mlp)",
    ]


def test_numbers_that_are_normalised_are_not_too_large():
    space = Box(-1000, 1000, (3,))
    encoder = NormalizingEncoder(space, default_encoder(normalized_space(space), 8))
    assert len(describe_observation(encoder)) == 1


def test_normalisation_and_precision_are_seen_through():
    space = Dict({"a": Box(0, 255, (4,), np.uint8), "b": Discrete(3)})
    inner = MixedPrecisionEncoder(default_encoder(normalized_space(space), 8), torch.bfloat16)
    assert describe_observation(NormalizingEncoder(space, inner)) == [
        "Encoder: combined, 8 features",
        "  a: 4 numbers, normalised by their running mean and deviation (mlp)",
        "  b: 1 of 3 integers, one-hot (mlp)",
    ]


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Box(0, 255, (84, 84), np.uint8), ["7,056 numbers in a row", "an axis of channels", "FrameStackObservation"]),
        (Box(0, 255, (4, 84, 84, 3), np.uint8), ["84,672 numbers", "three axes", "ChannelFirstObservation"]),
        (Box(0, 255, (48, 40, 24), np.uint8), ["46,080 numbers", "put them first", "ChannelFirstObservation"]),
        (Box(0, 1, (10, 10, 6), np.bool_), ["600 numbers", "encoder=minatar_cnn"]),
        (Box(0, 255, (4, 84, 4), np.uint8), ["1,344 numbers", "encoder=minatar_cnn"]),
        (MultiBinary((1, 84, 84)), ["7,056 numbers", "is a Box"]),
        (Discrete(50_000), ["50,000 numbers", "digits"]),
        (MultiDiscrete([9000, 9000]), ["18,000 numbers", "digits"]),
        (Box(0, 255, (64, 48, 40), np.uint8), ["64 channels of 48 x 40", "put them first"]),
        (Box([-1, 0], [1, 1000], (2,)), ["up to 1,000", "normalize_observation=true"]),
    ],
    ids=str,
)
def test_a_choice_that_a_person_may_not_have_made_is_told(space, words):
    _, note = described(space)
    assert note.startswith("Note: the observation, ") and all(word in note for word in words), note
    # what helps a single array does not help an entry of a Dict
    for line in described(Dict({"camera": space}))[2:]:
        assert line.startswith("Note: camera, ") and "wrappers" not in line and "encoder=" not in line


@pytest.mark.parametrize(
    "space",
    [
        Box(-1, 1, (3,)),
        Box(-100, 100, (3,)),
        Box(-np.inf, [1, np.inf, 1e38], (3,)),
        Box(0, 1000, (3,), np.int64),
        Box(-1, 1, (5, 7)),
        Box(-1, 1, (40, 3)),
        Box(0, 1, (1, 2, 3)),
        Box(0, 1, (10, 36, 36)),
        Discrete(10_000),
    ],
    ids=str,
)
def test_an_ordinary_choice_is_not_questioned(space):
    assert len(described(space)) == 1


def test_what_the_user_chose_is_not_questioned():
    space = Box(0, 255, (84, 84), np.uint8)
    assert len(describe_observation(MlpEncoder(space, 8), is_chosen=True)) == 1
    assert len(describe_observation(MlpEncoder(space, 8))) == 2
    assert describe_observation(IdentityEncoder(space, 8), is_chosen=True) == [
        "Encoder: identity, 7,056 features of 7,056 numbers, divided by 255"
    ]
    small = MinAtarCnnEncoder(Box(0, 1, (10, 10, 6), np.bool_), 8)
    assert describe_observation(small, is_chosen=True) == [
        "Encoder: minatar_cnn, 8 features of a picture of 6 channels, 10 x 10 (channels last), as they are"
    ]


class Own(Encoder):
    """Says nothing of what it does."""

    def forward(self, observation):
        raise NotImplementedError


@pytest.mark.parametrize("space", [Box(0, 1, (84, 84)), Dict({"a": Discrete(3)})], ids=str)
def test_an_encoder_of_ones_own_is_named(space):
    assert describe_observation(Own(space, 8), is_chosen=True) == ["Encoder: Own, 8 features"]
