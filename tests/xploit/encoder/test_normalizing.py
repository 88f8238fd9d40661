"""Observations of mean 0 and standard deviation 1, whatever they were."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, as_space
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


NORMAL = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))


def observed(*parts, reach=100.0):
    moments = RunningMoments(tuple(parts[0].shape[1:]), reach=reach)
    for part in parts:
        moments.observe(part)
    return moments


def test_ordinary_samples_are_counted_as_they_are_to_the_bit():
    parts = [x * scale for x in NORMAL.split(100) for scale in (0.01, 1.0, 30.0)]
    assert_same(observed(*parts), observed(*parts, reach=math.inf))
    flags = [torch.zeros(50, 3), torch.eye(3).repeat(10, 1), torch.full((50, 3), 90.0)]
    assert_same(observed(*flags), observed(*flags, reach=math.inf))
    still = [1e-6 * NORMAL, torch.cat([1e-6 * NORMAL, torch.ones(40, 2)])]
    assert_same(observed(*still), observed(*still, reach=math.inf))
    far = [NORMAL + 1e9, NORMAL.double() * 1e6]
    for x in far:
        assert_same(observed(x), observed(x, reach=math.inf))


def assert_same(first, second):
    for found, expected in zip(first.buffers(), second.buffers(), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("bad", "dtype"), [(1e38, "float32"), (-3e38, "float32"), (1e9, "float32"), (1e38, "float64"), (1e300, "float64")]
)
@pytest.mark.parametrize("rows", [[3], [1203], [3, 503, 1003], range(0, 2000, 50)], ids=["first", "later", "3", "40"])
def test_absurd_samples_poison_nothing(bad, dtype, rows):
    x = NORMAL.clone().to(getattr(torch, dtype))
    for row in rows:
        x[row, 1] = bad
    moments = observed(*x.split(100))
    most = 1 + 1.5 * 100**2 * len(rows) / 2000  # each counts as a hundred spreads at most
    assert moments.variance[0] == pytest.approx(1, rel=0.1) and 0.9 < moments.variance[1] < most
    assert moments.mean[1].abs() < 1 + 100 * len(rows) / 2000


def test_numbers_too_large_for_float32_are_left_out_as_infinities_are():
    moments = observed(torch.full((10, 2), 1e300, dtype=torch.float64), NORMAL.double())
    assert_same(moments, observed(NORMAL.double()))


def test_the_encoder_still_sees_after_an_absurd_sample():
    encoder, inner = make({"shape": (2,)})
    x = NORMAL.clone()
    x[100] = 1e38
    for part in x.split(200):
        encoder.observe(part)
    encoder(NORMAL)
    assert (inner.seen.std(0) > 0.3).all()


def test_an_honest_jump_is_learnt():
    moments = observed(NORMAL, NORMAL * 1e6)
    assert moments.variance.sqrt().tolist() == pytest.approx([1e6 / 2**0.5] * 2, rel=0.1)
    assert_same(moments, observed(NORMAL, NORMAL * 1e6, reach=math.inf))


def test_a_byte_is_never_absurd():
    x = torch.zeros(50, 4, dtype=torch.uint8)
    x[:3, 1] = x[7, 3] = 255
    assert_same(observed(x * 0, x), observed(x * 0, x, reach=math.inf))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "uint32", "uint64", "int64", "float16"])
def test_every_dtype_has_statistics(dtype):
    x = torch.tensor([[0, 1], [1, 1], [1, 0], [0, 0]]).to(getattr(torch, dtype))
    moments = observed(x, x)
    assert moments.mean.tolist() == [0.5, 0.5] and moments.variance.tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("base", "gap", "dtype"),
    [
        (1.7e9, 50, "float64"),
        (1.7e9, 1, "int32"),
        (1.7e9, 1, "int64"),
        (1.7e18, 1e9, "int64"),
        (2**60, 50, "int64"),
        (1e13, 2, "float64"),
        (3e9, 1, "uint32"),
        (2**60, 2**20, "uint64"),
    ],
)
def test_small_steps_of_large_numbers_are_seen(base, gap, dtype):
    """A clock in seconds, in nanoseconds: subtracted before it is rounded."""
    encoder, inner = make(Box(0, np.iinfo(dtype).max if "int" in dtype else np.inf, (1,), dtype))
    number = int if "int" in dtype else float
    values = np.array([[number(base)], [number(base) + gap]], dtype)
    x = torch.from_numpy(values.repeat(100, 0))
    for _ in range(3):
        encoder.observe(x)
    encoder(x)
    low, high = inner.seen.aminmax()
    assert inner.seen.dtype == torch.float32 and float(high - low) == pytest.approx(2, rel=0.1)


def test_float32_is_standardised_as_it_always_was():
    encoder, inner = make({"shape": (2,)})
    encoder.observe(NORMAL * 7 + 3)
    encoder(NORMAL)
    mean, variance = encoder.moments[0].mean, encoder.moments[0].variance
    assert torch.equal(inner.seen, ((NORMAL - mean.float()) * (variance + 1e-8).rsqrt().float()).clamp(-10, 10))


def test_entries_without_numbers_have_no_statistics():
    space = Dict({"none": Box(0, 1, (0,)), "some": Box(0, 1, (2,))})
    encoder, inner = make(space)
    x = {"none": torch.zeros(2000, 0), "some": NORMAL}
    encoder.observe(x)
    encoder(x)
    assert len(encoder.moments) == 1 and inner.seen["none"] is x["none"]


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
