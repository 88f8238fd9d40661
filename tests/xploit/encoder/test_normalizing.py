"""Observations of mean 0 and standard deviation 1, whatever they were."""

from dataclasses import replace

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import as_space
from hsuanwu.testing.learner import update
from hsuanwu.xploit.encoder import (
    MixedPrecisionEncoder,
    MlpEncoder,
    NormalizingEncoder,
    default_encoder,
    normalized_space,
)
from hsuanwu.xploit.encoder.base import Encoder
from hsuanwu.xploit.encoder.running_moments import RunningMoments
from tests.xploit.learner.cases import batch_for
from tests.xploit.learner.cases import make as make_learner


class Seen(Encoder):
    """Keeps what it is shown."""

    def forward(self, observation):
        self.seen = observation
        return torch.zeros(1, self.feature_dim)


def make(space):
    inner = Seen(normalized_space(space), 3)
    return NormalizingEncoder(space, inner), inner


def test_what_the_encoder_sees_is_standardised_entry_by_entry():
    encoder, inner = make({"shape": (2,)})
    x = torch.randn(5000, 2) * torch.tensor([3.0, 0.01]) + torch.tensor([-7.0, 100.0])
    encoder(x[:1])
    assert torch.allclose(inner.seen, x[:1].clamp(-10, 10)), "before anything is observed nothing changes but bounds"
    for part in x.split(700):
        encoder.observe(part)
    encoder(x)
    assert torch.allclose(inner.seen.mean(0), torch.zeros(2), atol=1e-2)
    assert torch.allclose(inner.seen.std(0), torch.ones(2), atol=1e-2)
    encoder(torch.tensor([[1e9, -1e9]]))
    assert inner.seen.tolist() == [[10.0, -10.0]]


def test_a_constant_entry_stays_finite():
    encoder, inner = make({"shape": (1,)})
    encoder.observe(torch.full((8, 1), 5.0))
    encoder(torch.full((2, 1), 5.0))
    assert inner.seen.tolist() == [[0.0], [0.0]]


def test_in_a_dict_numbers_are_normalised_and_discrete_entries_are_not():
    space = {
        "type": "Dict",
        "spaces": {
            "b": {"shape": (2, 2, 3), "type": "Box", "range": [0, 255], "dtype": "uint8"},
            "a": {"shape": (4,), "type": "Discrete", "range": [0, 3]},
            "c": {"type": "Dict", "spaces": {"d": {"shape": (1,)}}},
        },
    }
    encoder, inner = make(space)
    x = {
        "b": torch.randint(0, 255, (400, 2, 2, 3), dtype=torch.uint8),
        "a": torch.randint(0, 4, (400,)),
        "c": {"d": torch.randn(400, 1) + 50},
    }
    encoder.observe(x)
    encoder(x)
    assert torch.equal(inner.seen["a"], x["a"])
    for seen in (inner.seen["b"], inner.seen["c"]["d"]):
        assert seen.dtype == torch.float32 and float(seen.mean()) == pytest.approx(0, abs=1e-4)
        assert float(seen.std(0, correction=0).mean()) == pytest.approx(1, abs=1e-3)
    features = NormalizingEncoder(space, default_encoder(normalized_space(space), 8))(x)
    assert features.shape == (400, 8)


def test_statistics_are_part_of_the_weights_and_no_parameter():
    encoder, _ = make({"shape": (2,)})
    assert not list(encoder.parameters())
    encoder.observe(torch.randn(9, 2))
    other, _ = make({"shape": (2,)})
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other.moments[0].mean, encoder.moments[0].mean) and float(other.moments[0].count) == 9


def test_statistics_within_statistics_are_refused():
    """The inner ones would learn what only the outer encoder is shown."""
    encoder, _ = make({"shape": (2,)})
    with pytest.raises(ConfigurationError, match="^normalize_observation: found true, but Holds holds a Normaliz"):
        NormalizingEncoder({"shape": (2,)}, Holds({"shape": (2,)}, encoder))


class Holds(Encoder):
    def __init__(self, space, inner):
        super().__init__(space, 3)
        self.inner = inner

    def forward(self, observation):
        return self.inner(observation)


def test_a_part_of_an_observation_is_refused():
    encoder, _ = make({"shape": (2,)})
    with pytest.raises(ConfigurationError, match="^encoder: a NormalizingEncoder is for whole observations"):
        encoder.observe({"a": torch.zeros(1, 2), "b": torch.zeros(1, 2)})


def test_bfloat16_is_for_the_encoder_behind():
    """Statistics of large numbers would be lost in eight bits."""
    space = {"shape": (1,)}
    encoder = NormalizingEncoder(
        space, MixedPrecisionEncoder(default_encoder(normalized_space(space), 4), torch.bfloat16)
    )
    x = torch.tensor([[10_000.0], [10_001.0]])
    encoder.observe(x)
    first, second = encoder(x)
    assert not torch.allclose(first, second, atol=1e-2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_sample_that_is_not_finite_is_left_out(bad):
    moments = RunningMoments((2,))
    moments.observe(torch.tensor([[1.0, 1.0], [bad, 1.0], [3.0, 5.0]]))
    assert moments.mean.tolist() == [2.0, 3.0] and float(moments.count) == 2
    moments.observe(torch.tensor([[bad, bad]]))
    assert float(moments.count) == 2


def test_a_horizon_lets_the_past_fade():
    moments = RunningMoments((), horizon=100)
    moments.observe(torch.zeros(10_000))
    for _ in range(50):
        moments.observe(torch.full((100,), 4.0))
    assert float(moments.mean) == pytest.approx(4.0, abs=1e-6)


def test_normalised_space():
    assert as_space(normalized_space({"shape": (3,)})).shape == (3,)


@pytest.mark.parametrize("use_lstm", [False, True])
def test_an_update_takes_each_observation_in_once(use_lstm):
    space = {"shape": (4,)}
    encoder = NormalizingEncoder(space, default_encoder(normalized_space(space), 8))
    learner = make_learner(encoder=encoder, use_lstm=use_lstm)
    batch = batch_for(learner)
    update(learner, batch)
    seen = batch.observation[:-1].flatten(0, 1).double()  # the last row is the first one of the next rollout
    for policy in (learner.learner, learner.actor):
        moments = policy.encoder.moments[0]
        assert float(moments.count) == len(seen) and torch.allclose(moments.mean, seen.mean(0))


class Watched(MlpEncoder):
    """Keeps what it was shown last."""

    def forward(self, observation):
        self.seen = observation
        return super().forward(observation)


def test_an_update_normalises_by_statistics_that_its_own_batch_is_part_of():
    space = {"shape": (4,)}
    inner, taken = Watched(normalized_space(space), 8), []
    learner = make_learner(encoder=NormalizingEncoder(space, inner))
    for seed in range(3):
        batch = batch_for(learner, seed=seed)
        batch = replace(batch, observation=batch.observation * (1 + seed) + 5 * seed)
        update(learner, batch)
        taken.append(batch.observation[:-1].flatten(0, 1).double())
        so_far = torch.cat(taken)
        expected = (batch.observation - so_far.mean(0)) / so_far.std(0, correction=0)
        torch.testing.assert_close(inner.seen, expected.float().reshape(inner.seen.shape), rtol=1e-3, atol=1e-3)
