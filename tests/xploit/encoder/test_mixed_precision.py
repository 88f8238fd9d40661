"""An encoder in bfloat16: near to float32, float32 outside, and float32 weights."""

import copy

import numpy as np
import pytest
import torch

from hsuanwu.common.nest import map_nest
from hsuanwu.common.spaces import Box, Dict
from hsuanwu.testing.encoder import check_encoder, random_observation
from hsuanwu.xploit.encoder import (
    CombinedEncoder,
    EspeholtResidualEncoder,
    IdentityEncoder,
    MixedPrecisionEncoder,
    MlpEncoder,
    MnihCnnEncoder,
)

FRAMES, NUMBERS = Box(0, 255, (4, 40, 48), np.uint8), Box(-2, 2, (6,))
CASES = {
    "mlp": (MlpEncoder, NUMBERS),
    "mnih_cnn": (MnihCnnEncoder, FRAMES),
    "espeholt_residual": (EspeholtResidualEncoder, FRAMES),
    "combined": (CombinedEncoder, Dict({"camera": FRAMES, "arm": NUMBERS})),
}
TOLERANCE = 0.03
"""Of the largest feature: bfloat16 keeps 8 bits, 2^-9 = 0.002 are lost at each of up to 16 layers; 0.01 was seen."""


def make(name, dtype=torch.bfloat16):
    torch.manual_seed(0)
    encoder_class, space = CASES[name]
    return MixedPrecisionEncoder(encoder_class(space, 32), dtype), random_observation(space, 33, seed=1)


@pytest.mark.parametrize("name", CASES)
def test_float32_is_the_encoder_as_it_is(name):
    encoder, observation = make(name, torch.float32)
    assert torch.equal(encoder(observation), encoder.encoder(observation))
    check_encoder(encoder)


@pytest.mark.parametrize("name", CASES)
def test_features_are_float32_and_near_to_those_of_float32(name):
    encoder, observation = make(name)
    features, expected = encoder(observation), encoder.encoder(observation)
    assert features.dtype == torch.float32 and features.shape == (33, 32)
    assert not torch.equal(features, expected), "nothing is computed in bfloat16"
    torch.testing.assert_close(features, expected, rtol=0, atol=TOLERANCE * expected.abs().max().item())


@pytest.mark.parametrize("name", CASES)
def test_gradients_reach_the_float32_weights(name):
    encoder, observation = make(name)
    gradients = []
    for module in (encoder, encoder.encoder):
        encoder.zero_grad()
        module(observation).square().sum().backward()
        gradients.append([weight.grad.clone() for weight in encoder.parameters()])
    for (path, weight), found, expected in zip(encoder.named_parameters(), *gradients, strict=True):
        assert weight.dtype == found.dtype == torch.float32, path
        error = (found - expected).norm() / expected.norm()
        assert 0 < error < 0.1, f"the gradient of {path} is off by {error:.3f} of its size"


@pytest.mark.parametrize("name", CASES)
def test_a_row_does_not_depend_on_how_many_are_encoded(name):
    """An actor encodes few rows, the learner many; rounding to bfloat16 may flip a last bit, 2^-8, no more."""
    encoder, observation = make(name)
    with torch.no_grad():
        features = encoder(observation)
        for start in range(0, 33, 3):
            few = encoder(map_nest(lambda x, start=start: x[start : start + 3], observation))
            atol = 2**-8 * features.abs().max().item()
            torch.testing.assert_close(few, features[start : start + 3], rtol=0, atol=atol)


@pytest.mark.parametrize("name", CASES)
def test_weights_have_the_same_names_in_every_precision(name):
    encoder, observation = make(name)
    plain, _ = make(name, torch.float32)
    assert encoder.state_dict().keys() == plain.state_dict().keys()
    with torch.no_grad():
        for weight in plain.parameters():
            weight.mul_(0.5)
    encoder.load_state_dict(plain.state_dict())
    assert torch.equal(encoder.encoder(observation), plain(observation))


def test_spaces_and_sizes_are_those_of_the_encoder():
    encoder = MixedPrecisionEncoder(IdentityEncoder(NUMBERS, 99), torch.bfloat16)
    assert encoder.observation_space == NUMBERS and encoder.feature_dim == 6
    x = torch.randn(3, 6)
    assert torch.equal(encoder(x), x), "nothing is multiplied: nothing is rounded"


def test_autocast_ends_with_the_encoder():
    encoder, observation = make("mlp")
    encoder(observation)
    assert not torch.is_autocast_enabled("cpu")
    assert (torch.eye(2) @ torch.eye(2)).dtype == torch.float32


def large_encoder():
    """An encoder with a weight that is worth converting once."""
    torch.manual_seed(0)
    encoder = MixedPrecisionEncoder(MlpEncoder(Box(-2, 2, (512,)), 32, hidden_dims=[256]), torch.bfloat16)
    assert any(weight.numel() >= 2**16 for weight in encoder.parameters())
    return encoder, random_observation(encoder.observation_space, 33, seed=1)


def without_copies(encoder, observation):
    with torch.autocast("cpu", torch.bfloat16):
        return encoder.encoder(observation).float()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_weights_converted_once_give_the_same_to_the_bit_until_they_change(mode, monkeypatch):
    encoder, observation = large_encoder()
    conversions, right = [], torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda *args, **kwargs: conversions.append(1) or right(*args, **kwargs))
    for number in range(1, 4):
        for _ in range(3):
            with mode():
                assert torch.equal(encoder(observation), without_copies(encoder, observation))
        assert len(conversions) == number, "once for each change"
        with torch.no_grad():
            for weight in encoder.parameters():
                weight.copy_(torch.randn_like(weight))


def test_an_optimizer_changes_weights_too():
    encoder, observation = large_encoder()
    optimizer = torch.optim.Adam(encoder.parameters(), lr=0.1)
    for _ in range(2):
        with torch.no_grad():
            assert torch.equal(encoder(observation), without_copies(encoder, observation))
        optimizer.zero_grad()
        encoder(observation).square().sum().backward()
        optimizer.step()


def test_copies_have_converted_weights_of_their_own():
    encoder, observation = large_encoder()
    with torch.no_grad():
        encoder(observation)
        other = copy.deepcopy(encoder)
        for weight in other.parameters():
            weight.zero_()
        assert not other(observation).any() and encoder(observation).any()
    assert list(encoder.state_dict()) == [f"encoder.{name}" for name in encoder.encoder.state_dict()]
