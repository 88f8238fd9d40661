"""What every encoder keeps."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import torch
from torch import Tensor

from hsuanwu.common.nest import Nest, leaves, map_nest
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiDiscrete, Space
from hsuanwu.xploit.encoder.base import Encoder

_BATCH = 5


def check_encoder(encoder: Encoder, seed: int = 0) -> None:
    """Assert that an encoder keeps the contract of encoders.

    Features are float32 ``[N, feature_dim]``, finite, the same each time, and made row by row; every
    parameter learns; the observation is left as it was; the encoder survives ``pickle``, ``deepcopy`` and
    ``state_dict``.

    Args:
        encoder: any encoder; its gradients are overwritten.
        seed: of the random observations.
    """
    observation = random_observation(encoder.observation_space, _BATCH, seed)
    kept = map_nest(torch.clone, observation)
    features = encoder(observation)
    assert features.shape == (_BATCH, encoder.feature_dim), f"features have shape {tuple(features.shape)}"
    assert features.dtype == torch.float32, f"features are {features.dtype}"
    assert features.isfinite().all(), "features are not finite"
    for before, after in zip(leaves(kept), leaves(observation), strict=True):
        assert torch.equal(before, after), "the encoder changed its observation"
    torch.testing.assert_close(encoder(observation), features, rtol=0, atol=0)
    _check_rows(encoder, observation, features)
    _check_gradients(encoder, features)
    _check_copies(encoder, observation, features)


def random_observation(space: Space, count: int, seed: int) -> Nest:
    """Return ``count`` random elements of a space, ``[count, ...]``, in its dtype; a dict for a Dict space.

    Numbers are uniform between their bounds, normal where there are none.
    """
    return _random(space, count, np.random.default_rng(seed))


def _check_rows(encoder: Encoder, observation: Nest, features: Tensor) -> None:
    for row in range(_BATCH):
        alone = encoder(map_nest(lambda x, row=row: x[row : row + 1], observation))
        torch.testing.assert_close(
            alone, features[row : row + 1], rtol=1e-4, atol=1e-5, msg="features depend on other rows"
        )
    assert encoder(map_nest(lambda x: x[:0], observation)).shape == (0, encoder.feature_dim), "no rows, no features"


def _check_gradients(encoder: Encoder, features: Tensor) -> None:
    if not any(True for _ in encoder.parameters()):
        return
    encoder.zero_grad()
    features.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.is_contiguous(), f"{name} is not contiguous"
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
        assert parameter.grad.any(), f"the gradient of {name} is zero"
    encoder.zero_grad()


def _check_copies(encoder: Encoder, observation: Nest, features: Tensor) -> None:
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert twin.feature_dim == encoder.feature_dim
        torch.testing.assert_close(twin(observation), features, rtol=0, atol=0)
        ours = {parameter.data_ptr() for parameter in encoder.parameters()}
        assert ours.isdisjoint(parameter.data_ptr() for parameter in twin.parameters()), "a copy shares parameters"
    blank = copy.deepcopy(encoder)
    with torch.no_grad():
        for parameter in blank.parameters():
            parameter.zero_()
    blank.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(blank(observation), features, rtol=0, atol=0)


def _random(space: Space, count: int, rng: np.random.Generator) -> Nest:
    if isinstance(space, Dict):
        return {name: _random(entry, count, rng) for name, entry in space.spaces.items()}
    shape = (count, *space.shape)
    if isinstance(space, Box) and space.dtype.kind == "f":
        bounded = np.isfinite(space.low) & np.isfinite(space.high)
        low, high = np.where(bounded, space.low, 0), np.where(bounded, space.high, 0)
        values = np.where(bounded, rng.uniform(low, high, shape), rng.standard_normal(shape))
    elif isinstance(space, Box):
        values = rng.integers(space.low, space.high, shape, endpoint=True, dtype=_integer(space.dtype))
    elif isinstance(space, Discrete):
        values = rng.integers(0, space.n, shape)
    else:
        values = rng.integers(0, space.nvec if isinstance(space, MultiDiscrete) else 2, shape)
    return torch.from_numpy(np.asarray(values, space.dtype))


def _integer(dtype: np.dtype) -> type:
    return np.bool_ if dtype == np.bool_ else dtype.type
