"""Encoders against what their papers say, and against each other."""

import numpy as np
import pytest
import torch
from torch import nn

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiDiscrete
from hsuanwu.xploit.encoder import (
    CombinedEncoder,
    EspeholtResidualEncoder,
    IdentityEncoder,
    MlpEncoder,
    MnihCnnEncoder,
)

FRAMES = Box(0, 255, (4, 84, 84), np.uint8)
IMAGE_ENCODERS = pytest.mark.parametrize("encoder_class", [MnihCnnEncoder, EspeholtResidualEncoder])


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def conv(inputs, outputs, size):
    return inputs * outputs * size * size + outputs


def test_mnih_sizes():
    # 84 -> 20 -> 9 -> 7, so 64 * 7 * 7 = 3136 numbers reach the linear layer
    expected = conv(4, 32, 8) + conv(32, 64, 4) + conv(64, 64, 3) + (3136 * 512 + 512)
    assert count(MnihCnnEncoder(FRAMES, 512)) == expected == 1_684_128
    assert count(MnihCnnEncoder(Box(0, 1, (1, 36, 36)), 10)) == conv(1, 32, 8) + conv(32, 64, 4) + conv(64, 64, 3) + (
        64 * 10 + 10
    )


def test_espeholt_sizes():
    # 84 -> 42 -> 21 -> 11; each section has 1 + 4 convolutions
    sections = (
        (conv(4, 16, 3) + 4 * conv(16, 16, 3))
        + (conv(16, 32, 3) + 4 * conv(32, 32, 3))
        + (conv(32, 32, 3) + 4 * conv(32, 32, 3))
    )
    assert count(EspeholtResidualEncoder(FRAMES, 256)) == sections + (32 * 11 * 11 * 256 + 256) == 1_089_232
    layers = [m for m in EspeholtResidualEncoder(FRAMES, 256).modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) == 15, "the 15 convolutions of the paper"
    # 72 x 96 frames of the paper: 9 x 12 after three sections
    dmlab = EspeholtResidualEncoder(Box(0, 255, (3, 72, 96), np.uint8), 256)
    assert count(dmlab) == sections - 16 * 9 + (32 * 9 * 12 * 256 + 256)
    one = EspeholtResidualEncoder(Box(0, 1, (2, 5, 7)), 10, channels=(8,))
    assert count(one) == conv(2, 8, 3) + 4 * conv(8, 8, 3) + (8 * 3 * 4 * 10 + 10)


def test_espeholt_against_a_plain_version():
    encoder = EspeholtResidualEncoder(Box(0, 1, (2, 11, 8)), 6, channels=(3, 5))
    x = torch.rand(4, 2, 11, 8)
    convs = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    (linear,) = [m for m in encoder.modules() if isinstance(m, nn.Linear)]
    y = x
    for section in (convs[:5], convs[5:]):
        y = nn.functional.max_pool2d(section[0](y), 3, 2, 1)
        for first, second in (section[1:3], section[3:5]):
            y = y + second(first(y.relu()).relu())
    expected = linear(y.relu().flatten(1)).relu()
    torch.testing.assert_close(encoder(x), expected, rtol=1e-5, atol=1e-6)


def test_mnih_against_a_plain_version():
    encoder = MnihCnnEncoder(FRAMES, 16)
    x = torch.randint(0, 256, (3, 4, 84, 84), dtype=torch.uint8)
    first, second, third = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    (linear,) = [m for m in encoder.modules() if isinstance(m, nn.Linear)]
    y = nn.functional.conv2d(x / 255, first.weight, first.bias, stride=4)
    expected = linear(third(second(y.relu()).relu()).relu().flatten(1)).relu()
    torch.testing.assert_close(encoder(x), expected, rtol=1e-4, atol=1e-6)


@IMAGE_ENCODERS
def test_bytes_and_floats_agree(encoder_class):
    of_bytes, of_floats = encoder_class(FRAMES, 16), encoder_class(Box(0, 1, (4, 84, 84)), 16)
    of_floats.load_state_dict(of_bytes.state_dict())
    x = torch.randint(0, 256, (3, 4, 84, 84), dtype=torch.uint8)
    torch.testing.assert_close(of_bytes(x), of_floats(x / 255))


@IMAGE_ENCODERS
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 9, 36])
def test_channels_last_agrees(encoder_class, channels):
    height, width = (40, 48) if channels <= 9 else (40, 40)
    first = encoder_class(Box(0, 255, (channels, height, width), np.uint8), 16)
    last = encoder_class(Box(0, 255, (height, width, channels), np.uint8), 16)
    last.load_state_dict(first.state_dict())
    x = torch.randint(0, 256, (3, channels, height, width), dtype=torch.uint8)
    torch.testing.assert_close(first(x), last(x.permute(0, 2, 3, 1).contiguous()))


def test_mlp_sizes_and_layers():
    encoder = MlpEncoder(Box(-1, 1, (2, 3)), 8)
    assert count(encoder) == (6 * 64 + 64) + (64 * 8 + 8)
    x = torch.randn(5, 2, 3)
    first, second = [m for m in encoder.modules() if isinstance(m, nn.Linear)]
    torch.testing.assert_close(encoder(x), second(first(x.flatten(1)).tanh()).tanh())
    assert count(MlpEncoder(Box(-1, 1, (6,)), 8, hidden_dims=(3, 5), activation="relu")) == 21 + 20 + 48
    assert count(MlpEncoder(MultiDiscrete([2, 3]), 8, hidden_dims=())) == 5 * 8 + 8
    assert (MlpEncoder(Discrete(3), 64, activation="relu")(torch.arange(3)) >= 0).all()


def test_identity():
    encoder = IdentityEncoder(Discrete(3, start=10), 64)
    assert encoder.feature_dim == 3 and count(encoder) == 0
    assert encoder(torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    x = torch.randint(0, 256, (5, 2, 3), dtype=torch.uint8)
    torch.testing.assert_close(IdentityEncoder(Box(0, 255, (2, 3), np.uint8), 1)(x), x.flatten(1) / 255)


def test_combined():
    inner = Dict({"b": Discrete(3), "a": Box(-1, 1, (2,))})
    space = Dict({"z": FRAMES, "inner": inner})
    encoder = CombinedEncoder(space, 16)
    assert [type(e).__name__ for e in encoder.encoders] == ["CombinedEncoder", "MnihCnnEncoder"]
    x = {
        "z": torch.randint(0, 256, (5, 4, 84, 84), dtype=torch.uint8),
        "inner": {"a": torch.randn(5, 2), "b": torch.arange(5) % 3},
    }
    features = encoder(x)
    assert features.shape == (5, 16)
    # the order of names, in the space or in the observation, means nothing
    twin = CombinedEncoder(Dict({"inner": Dict(dict(reversed(inner.spaces.items()))), "z": FRAMES}), 16)
    twin.load_state_dict(encoder.state_dict())
    assert torch.equal(twin(dict(reversed(x.items()))), features)
    changed = {**x, "inner": {**x["inner"], "b": (torch.arange(5) + 1) % 3}}
    assert not torch.equal(encoder(changed), features)


def test_entries_without_numbers_are_left_out():
    space = Dict({"touch": Box(0, 1, (0,)), "inner": Dict({"none": Box(0, 1, (3, 0))}), "arm": Box(-1, 1, (2,))})
    encoder, twin = CombinedEncoder(space, 16), CombinedEncoder(Dict({"arm": Box(-1, 1, (2,))}), 16)
    twin.load_state_dict(encoder.state_dict())
    x = {"touch": torch.zeros(5, 0), "inner": {"none": torch.zeros(5, 3, 0)}, "arm": torch.randn(5, 2)}
    assert torch.equal(encoder(x), twin({"arm": x["arm"]}))


@pytest.mark.parametrize(
    "make, words",
    [
        (
            lambda: MnihCnnEncoder({"shape": (4,)}, 8),
            ["mnih_cnn needs frames of at least 36 x 36", "found shape (4,)", "use encoder=mlp"],
        ),
        (
            lambda: MnihCnnEncoder({"shape": (3, 35, 84)}, 8),
            ["at least 36 x 36", "found shape (3, 35, 84)", "use encoder=espeholt_residual or encoder=mlp"],
        ),
        (lambda: MnihCnnEncoder(Dict({"x": FRAMES}), 8), ["found a Dict of x", "use encoder=combined"]),
        (lambda: EspeholtResidualEncoder(Discrete(3), 8), ["espeholt_residual", "found shape ()", "use encoder=mlp"]),
        (lambda: MlpEncoder(Dict({"x": FRAMES}), 8), ["mlp", "found a Dict of x", "use encoder=combined"]),
        (lambda: IdentityEncoder(Dict({"x": FRAMES}), 8), ["identity", "found a Dict of x", "use encoder=combined"]),
        (lambda: CombinedEncoder({"shape": (4,)}, 8), ["combined needs a Dict", "found shape (4,)", "use encoder=mlp"]),
        (lambda: MlpEncoder({"shape": (4,)}, 8, hidden_dims=(4, 0)), ["encoder.hidden_dims: found (4, 0)", "use "]),
        (lambda: MlpEncoder({"shape": (4,)}, 8, activation="tan"), ["encoder.activation: found 'tan'", "tanh"]),
        (lambda: MlpEncoder(Discrete(10**9), 8), ["mlp takes at most", "1,000,000,000 in a one-hot vector", "; show "]),
        (lambda: MlpEncoder(MultiDiscrete([2**62, 2**62]), 8), ["9,223,372,036,854,775,808 in a one-hot vector"]),
        (lambda: IdentityEncoder(Box(0, 1, (2001, 2000)), 8), ["identity takes at most", "4,002,000 in a row"]),
        (
            lambda: MnihCnnEncoder({"shape": (3, 6000, 5000)}, 512),
            ["29,649,024 x 512 weights", "6000 x 5000"],
        ),
        (
            lambda: CombinedEncoder(Dict({"a": Dict({"b": Discrete(10**9)})}), 8),
            ["encoder: entry 'a': entry 'b': mlp takes at most"],
        ),
        (
            lambda: CombinedEncoder(Dict({"a": Box(0, 1, (0,)), "b": Dict({"c": Box(0, 1, (2, 0))})}), 8),
            ["combined needs at least one number, found none in Dict({'a':"],
        ),
        (lambda: EspeholtResidualEncoder(FRAMES, 8, channels=()), ["encoder.channels: found ()", "use "]),
        (lambda: EspeholtResidualEncoder(FRAMES, 8, channels=(4, 0)), ["encoder.channels: found (4, 0)", "use "]),
    ],
)
def test_mistakes(make, words):
    with pytest.raises(ConfigurationError) as caught:
        make()
    message = str(caught.value)
    assert message.startswith("encoder") and "\n" not in message
    assert all(word in message for word in words), message
