"""Running moments against numpy over everything at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hsuanwu.ops.moments import combine, moments, return_scale


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
