"""Rewards in units of the returns' standard deviation."""

import math
from dataclasses import replace

import pytest
import torch

from hsuanwu.ops.moments import return_scale
from hsuanwu.testing.learner import update
from tests.xploit.learner.cases import batch_for, cfgs_of, make

NORMALIZED = cfgs_of(normalize_reward=True)


def first_update(scale, seed=0):
    learner = make(seed)
    with torch.no_grad():
        learner.learner.critic.weight.zero_(), learner.learner.critic.bias.zero_()
    batch = batch_for(learner, seed=seed)
    return learner, update(learner, replace(batch, reward=batch.reward * scale), NORMALIZED)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_scale_of_rewards_does_not_matter(scale):
    _, expected = first_update(1.0)
    _, found = first_update(scale)
    assert found == pytest.approx(expected, rel=1e-3)


def test_rewards_are_divided_by_the_size_of_returns_so_far():
    learner, twin = make(), make()
    past = torch.tensor([[5.0, 0.0], [8.0, 1.0], [3.0, 0.0], [-40.0, 0.0]])
    learner.learner.reward_moments.observe(past)
    batch = batch_for(learner)
    here = torch.stack([batch.reward, batch.is_first[:-1].float()], -1)[batch.valid]
    samples = torch.cat([past, here]).double()
    scale = float(return_scale(samples.mean(0), samples.square().mean(0), 0.99))
    found = update(learner, batch, NORMALIZED)
    assert found == pytest.approx(update(twin, replace(batch, reward=batch.reward / scale), cfgs_of()), rel=1e-4)
    assert float(learner.actor.reward_moments.count) == len(samples), "published with the weights"


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("reward", [1.0, -4.0])
def test_a_reward_that_is_always_the_same_becomes_one_minus_the_discount(reward, discount):
    """By hand: its discounted sum is ``reward / (1 - discount)``."""
    learner, twin = make(), make()
    batch = batch_for(learner)
    never, always = torch.zeros_like(batch.is_first), torch.ones_like(batch.valid)
    batch = replace(batch, is_first=never, terminated=never[1:], truncated=never[1:], valid=always)
    given, expected = (torch.full_like(batch.reward, x) for x in (reward, math.copysign(1 - discount, reward)))
    found = update(learner, replace(batch, reward=given), cfgs_of(normalize_reward=True, discount=discount))
    assert found == pytest.approx(update(twin, replace(batch, reward=expected), cfgs_of(discount=discount)), rel=1e-4)


def test_values_do_not_matter():
    """A scale that came from the network's own predictions would run away with them."""
    learner, twin = make(), make()
    with torch.no_grad():
        twin.learner.critic.weight.mul_(1000)
    batch = batch_for(learner)
    update(learner, batch, NORMALIZED), update(twin, batch, NORMALIZED)
    assert torch.equal(learner.learner.reward_moments.variance, twin.learner.reward_moments.variance)


def test_sparse_rewards_are_cut_off():
    """Where no return has differed yet, the first reward would be divided by next to nothing."""
    learner = make()
    learner.learner.reward_moments.observe(torch.zeros(10_000_000, 2))
    batch = batch_for(learner)
    found = update(learner, replace(batch, reward=torch.ones_like(batch.reward)), NORMALIZED)
    expected = update(make(), replace(batch, reward=torch.full_like(batch.reward, 10.0)), cfgs_of())
    assert found["baseline_loss"] == pytest.approx(expected["baseline_loss"], rel=1e-5)


def test_without_it_nothing_is_counted():
    learner = make()
    update(learner, batch_for(learner), cfgs_of())
    assert float(learner.learner.reward_moments.count) == 0


def test_rows_that_are_not_valid_do_not_count():
    learner, twin = make(), make()
    batch = batch_for(learner)
    wild = torch.where(batch.valid, batch.reward, 1e6)
    update(learner, batch, NORMALIZED), update(twin, replace(batch, reward=wild), NORMALIZED)
    assert torch.equal(learner.learner.reward_moments.variance, twin.learner.reward_moments.variance)
