"""Running moments against numpy over everything at once."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsuanwu.ops.moments import Moments, combine, distance, moments, return_scale, without_outliers


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 10_000))
def test_parts_make_the_whole(sizes, seed):
    x = torch.as_tensor(np.random.default_rng(seed).normal(1e3, 2.0, (sum(sizes), 3)))
    first, *others = x.split(sizes)
    total = moments(first)
    for part in others:
        total = combine(total, moments(part))
    assert float(total.weight) == sum(sizes)
    np.testing.assert_allclose(total.mean, x.numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(total.variance, x.numpy().var(0), rtol=1e-7)


def test_nothing_and_something_is_something():
    nothing = moments(torch.tensor([7.0, 9.0]))._replace(weight=torch.tensor(0.0, dtype=torch.float64))
    something = moments(torch.tensor([1.0, 2.0, 6.0]))
    assert torch.allclose(torch.stack(combine(nothing, something)), torch.stack(something))


def test_small_spread_far_from_zero_survives():
    """A sum of squares in float32 would lose it."""
    x = torch.tensor([1e6 - 1, 1e6, 1e6 + 1])
    assert float(moments(x).variance) == pytest.approx(2 / 3)


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.99])
@pytest.mark.parametrize(("mean", "spread", "ends"), [(0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.3, 2.0, 0.05)])
def test_return_scale_is_that_of_simulated_sums(discount, mean, spread, ends):
    """Independent rewards, and episodes that may end after each step: then the formula is exact."""
    random = np.random.default_rng(0)
    num_steps, num_envs = 2000, 200
    rewards = random.normal(mean, spread, (num_steps, num_envs))
    firsts = random.random((num_steps, num_envs)) < ends
    sums, total = [], np.zeros(num_envs)
    for reward, first in zip(rewards, firsts, strict=True):
        total = reward + discount * np.where(first, 0.0, total)
        sums.append(total)
    expected = np.sqrt(np.square(sums[num_steps // 2 :]).mean())
    samples = torch.as_tensor(np.stack([rewards.ravel(), firsts.ravel()], -1))
    found = return_scale(samples.mean(0), samples.square().mean(0), discount)
    assert float(found) == pytest.approx(expected, rel=0.02)


def test_return_scale_without_discount_or_end_is_finite():
    assert return_scale(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]), 1.0).isfinite()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.float16, torch.float32])
def test_distances_of_small_numbers_are_those_of_float32(dtype):
    x, mean = torch.tensor([0, 3, 100]).to(dtype), torch.tensor([1.5, -7.0, 33.3], dtype=torch.float64)
    found = distance(x, mean)
    assert found.dtype == torch.float32 and torch.equal(found, x.float() - mean.float())


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint32, torch.int64, torch.uint64, torch.float64])
def test_distances_of_large_numbers_are_taken_before_they_are_rounded(dtype):
    x = torch.tensor([1_700_000_000, 1_700_000_001]).to(dtype)
    mean = torch.tensor(1_700_000_000.25, dtype=torch.float64)
    assert distance(x, mean).tolist() == [-0.25, 0.75]


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1), st.floats(-(2.0**63), 2.0**63))
@example(-9_219_372_036_854_775_811, -9.216372036854777e18)
@example(2**63 - 1, 2.0**63)
@example(-(2**63), -(2.0**63))
@example(2**63 - 1, -(2.0**63))
def test_distances_of_any_integer_against_exact_fractions(x, mean):
    found = distance(torch.tensor([x]), torch.tensor(mean, dtype=torch.float64))
    assert float(found) == pytest.approx(float(x - Fraction(mean)), rel=1e-15, abs=1e-9)


def test_integers_beyond_float64_keep_their_spread():
    x = torch.tensor([[2**60], [2**60 + 50]]).repeat(50, 1)
    found = moments(x)
    assert found.variance.tolist() == [625.0] and abs(float(found.mean) - 2**60) <= 128
    assert distance(x[:2], found.mean).diff(dim=0).tolist() == [[50.0]]


def known(mean=0.0, variance=1.0, weight=1000.0):
    return Moments(*(torch.tensor(x, dtype=torch.float64) for x in (mean, variance, weight)))


NORMAL = torch.randn(500, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bad", [1e38, -1e38, 1e6])
@pytest.mark.parametrize("share", [1, 20, 240])
def test_absurd_numbers_are_brought_near_and_no_other_changes(bad, share):
    x = NORMAL.clone()
    x[:share] = bad
    found = without_outliers(x, known(), reach=100.0)
    assert torch.equal(found[share:], NORMAL[share:])
    assert (found[:share].abs() < 600).all() and (found[:share].sign() == torch.tensor(bad).sign()).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.int16, torch.int32, torch.int64])
def test_every_dtype_stays_what_it_is(dtype):
    x = (10 * NORMAL).to(dtype)
    x[7] = 30_000
    found = without_outliers(x, known(), reach=100.0)
    assert found.dtype == dtype and torch.equal(found != x, torch.arange(500) == 7) and found[7] < 3000


@pytest.mark.parametrize("factor", [200.0, 1e4, 1e30])
def test_an_honest_jump_passes_unchanged(factor):
    for x in (NORMAL * factor, NORMAL + factor, torch.full((500,), factor)):
        assert torch.equal(without_outliers(x, known(), reach=100.0), x)


def test_what_is_not_suspect_does_not_change():
    """Near to the mean known so far, in its deviations or in ones, however narrow this batch is."""
    x = 1e-6 * NORMAL
    x[:50] = 90.0
    assert torch.equal(without_outliers(x, known(), reach=100.0), x)
    assert torch.equal(without_outliers(x, known(0.0, 0.0), reach=100.0), x)
    assert torch.equal(without_outliers(x * 1000, known(0.0, 1e6), reach=100.0), x * 1000)


def test_rare_large_numbers_among_equal_ones_are_learnt_in_the_end():
    """A force that is 0 nearly always, and 1e6 in one of fifty samples."""
    x = torch.zeros(1000)
    x[::50] = 1e6
    past = known(0.0, 1.0, 0.0)
    for _ in range(20):
        past = combine(past, moments(without_outliers(x, past, reach=100.0)))
    assert torch.equal(without_outliers(x, past, reach=100.0), x)
    assert float(past.variance.sqrt()) == pytest.approx(140_000, rel=0.3)
