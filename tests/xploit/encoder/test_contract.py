"""Every registered encoder keeps the contract, on every space that it fits."""

import gymnasium
import numpy as np
import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, as_space
from hsuanwu.testing.encoder import check_encoder, random_observation
from hsuanwu.xploit.encoder import default_encoder

FRAMES = Box(0, 255, (4, 84, 84), np.uint8)
SPACES = [
    as_space({"shape": (4,)}),
    as_space(gymnasium.spaces.Box(-1, 1, (2, 3))),
    Box(-1, 1, (), np.float64),
    Box(-5, 5, (3,), np.int16),
    Box(0, 1, (3,), np.bool_),
    Box(0, 1, (0,)),
    Discrete(5, start=2),
    MultiDiscrete([[2, 3], [4, 5]]),
    MultiBinary((3, 2)),
    FRAMES,
    Box(0, 255, (64, 48, 3), np.uint8),
    Box(0, 1, (1, 36, 40)),
    Box(0, 1, (3, 9, 7)),
    Box(0, 255, (2, 3, 8, 8), np.uint8),
    Dict({"a": Box(-1, 1, (2,))}),
    Box(0, 1000, (40, 48, 9), np.uint16),
    Box(0, 255, (40, 40, 12), np.float16),
    Box([0, -7], [10, 5], (2,), np.int32),
    Box(0, 2**20, (3,), np.uint64),
    Dict({"none": Box(0, 1, (2, 0)), "some": Box(0, 3, (2,), np.uint8)}),
    Dict({"type": Discrete(2), "x.y/z": Dict({"keys": Box(0, 1, (3,)), "camera": FRAMES}), "b": MultiBinary((2,))}),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("name", options("encoder"))
def test_fits_or_refuses(name, space):
    try:
        encoder = options("encoder")[name](space, feature_dim=24)
    except ConfigurationError as error:
        message = str(error)
        assert message.startswith("encoder: ") and "\n" not in message and "found " in message
        assert name in message or name == "combined"
        return
    assert encoder.feature_dim == 24 or name == "identity"
    assert list(encoder.state_dict()) == [path for path, _ in encoder.named_parameters()], "the space is no weight"
    check_encoder(encoder)


@pytest.mark.parametrize("name", options("encoder"))
def test_every_encoder_fits_something(name):
    def fits(space):
        try:
            return bool(options("encoder")[name](space, feature_dim=8))
        except ConfigurationError:
            return False

    assert any(fits(space) for space in SPACES)


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 255, "uint8"),
        (0, 10, "uint8"),
        (0, 1, "bool"),
        (-100, 50, "int8"),
        (0, 65_535, "uint16"),
        (0, 255, "int64"),
        (0, 1000, "uint32"),
    ],
)
@pytest.mark.parametrize("shape", [(3, 40, 48), (40, 48, 3), (10, 10, 6), (7,), (2, 3)], ids=str)
@pytest.mark.parametrize("name", options("encoder"))
def test_whole_numbers_count_as_parts_of_their_bounds_everywhere(name, shape, low, high, dtype):
    """An encoder of whole numbers is one of real numbers, with the same weights, that sees the quotients."""
    whole, real = Box(low, high, shape, dtype), Box(-np.inf, np.inf, shape)
    torch.manual_seed(0)
    wrap = (lambda entry: {"a": entry}) if name == "combined" else (lambda entry: entry)
    try:
        encoders = [options("encoder")[name](wrap(space), feature_dim=32) for space in (whole, real)]
    except ConfigurationError:
        assert len(shape) != 3 or min(shape[:2]) < 36
        return
    encoders[1].load_state_dict(encoders[0].state_dict())
    x = random_observation(whole, 5, seed=0)
    y = (x.double() / max(abs(low), high)).float()
    found, expected = encoders[0](wrap(x)), encoders[1](wrap(y))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.abs().max() > 1e-3


@pytest.mark.parametrize("name", options("encoder"))
@pytest.mark.parametrize("feature_dim", [0, -3])
def test_feature_dim_is_positive(name, feature_dim):
    space = Dict({"a": Discrete(2)}) if name == "combined" else FRAMES
    if name == "identity":
        assert options("encoder")[name](space, feature_dim).feature_dim == 4 * 84 * 84
        return
    with pytest.raises(ConfigurationError, match=f"feature_dim: found {feature_dim}; use 1 or more"):
        options("encoder")[name](space, feature_dim)


@pytest.mark.parametrize(
    "space, expected",
    [
        (Dict({"a": Discrete(2)}), "CombinedEncoder"),
        (FRAMES, "MnihCnnEncoder"),
        (Box(0, 255, (84, 84, 3), np.uint8), "MnihCnnEncoder"),
        (Box(0, 1, (3, 36, 36)), "MnihCnnEncoder"),
        (Box(0, 1, (3, 35, 84)), "MlpEncoder"),
        (MultiBinary((1, 84, 84)), "MlpEncoder"),
        (Box(0, 255, (64, 64, 2), np.uint8), "MnihCnnEncoder"),
        (Box(0, 255, (96, 96, 9), np.uint8), "MnihCnnEncoder"),
        (Box(0, 255, (64, 64, 36), np.uint8), "MnihCnnEncoder"),
        (Box(0, 255, (12, 84, 84), np.uint8), "MnihCnnEncoder"),
        (Box(0, 255, (84, 84), np.uint8), "MlpEncoder"),
        (Box(0, 255, (4, 84, 4), np.uint8), "MlpEncoder"),
        (Box(0, 255, (4, 84, 84, 3), np.uint8), "MlpEncoder"),
        (Box(-1, 1, (4,)), "MlpEncoder"),
        (Discrete(3), "MlpEncoder"),
    ],
    ids=str,
)
def test_default(space, expected):
    for form in (space, space.to_dict(), space.to_gymnasium()):
        encoder = default_encoder(form, 16)
        assert type(encoder).__name__ == expected and encoder.feature_dim == 16
