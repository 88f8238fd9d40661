"""The loss and its gradient against the same by hand, for a policy so small that this can be done."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hsuanwu.ops import losses
from hsuanwu.xploit.encoder import IdentityEncoder
from hsuanwu.xploit.learner import impala_loss as module
from hsuanwu.xploit.learner.impala_loss import ImpalaSettings, impala_loss
from tests.xploit.learner.cases import OBSERVATION, batch_for, make
from tests.xploit.learner.oracle import LinearPolicy

SETTINGS = ImpalaSettings(
    ent_coef=0.3,
    baseline_coef=0.7,
    max_grad_norm=40.0,
    discount=0.9,
    lambda_=1.0,
    clip_rho=1.0,
    clip_c=1.0,
    clip_pg_rho=1.0,
    loss_reduction="sum",
    reward_clip=None,
    normalize_reward=False,
    bound_coef=0.0,
)
CASES = {
    "plain": {},
    "mean": {"loss_reduction": "mean"},
    "lambda": {"lambda_": 0.5},
    "bounds": {"clip_rho": 2.0, "clip_c": 0.5, "clip_pg_rho": 3.0},
    "no bounds": {"clip_rho": math.inf, "clip_c": 1.5, "clip_pg_rho": math.inf},
    "rewards": {"reward_clip": 0.25},
    "no discount": {"discount": 1.0},
    "no future": {"discount": 0.0},
    "no bonus": {"ent_coef": 0.0},
    "no baseline": {"baseline_coef": 0.0},
}


def tiny(seed):
    """Return a linear policy with large weights, and experience of a policy near to it."""
    learner = make(seed, encoder=IdentityEncoder(OBSERVATION, 4))
    batch = batch_for(learner, num_steps=9, num_envs=4, seed=seed)
    assert not batch.valid.all() and batch.terminated.any() and batch.truncated.any()
    return learner.learner, batch


def wild(batch, seed=0):
    """Return ``batch`` with flags that no actor would write: rows end, or are invalid, wherever chance wants it."""
    generator = torch.Generator().manual_seed(seed)
    terminated, truncated, invalid = (torch.rand(batch.reward.shape, generator=generator) < 0.2 for _ in range(3))
    reward = torch.randn(batch.reward.shape, generator=generator)
    return replace(batch, terminated=terminated, truncated=truncated, valid=~invalid, reward=reward)


def assert_matches(policy, batch, settings):
    expected, gradients = LinearPolicy(policy).loss_and_gradient(batch, settings)
    policy.zero_grad()
    loss, report = impala_loss(policy, batch, (), settings)
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert report["loss"].item() == loss.item()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        np.testing.assert_allclose(parameter.grad.numpy(), gradients[name].reshape(parameter.shape), 1e-3, 1e-4, name)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_loss_and_gradient_are_those_by_hand(changes, seed):
    policy, batch = tiny(seed)
    assert_matches(policy, batch, replace(SETTINGS, **changes))
    assert_matches(policy, wild(batch, seed), replace(SETTINGS, **changes))


def test_the_hand_has_the_gradient_of_its_loss():
    """The oracle's gradient, with targets and advantages held still, is that of its loss."""
    policy, batch = tiny(1)
    hand = LinearPolicy(policy)
    x = batch.observation.double().numpy()
    fixed = hand._estimates(batch, SETTINGS, hand._log_probs(x), x @ hand.critic[0] + hand.critic_bias[0])
    hand._estimates = lambda *_: fixed
    _, gradient = hand.loss_and_gradient(batch, SETTINGS)
    for name, array in (("actor.weight", hand.actor), ("critic.weight", hand.critic), ("actor.bias", hand.actor_bias)):
        for index in np.ndindex(array.shape):
            value, found = array[index], []
            for array[index] in (value + 1e-5, value - 1e-5):
                found.append(hand.loss_and_gradient(batch, SETTINGS)[0])
            array[index] = value
            assert (found[0] - found[1]) / 2e-5 == pytest.approx(gradient[name][index], rel=1e-5, abs=1e-7)


def test_gradients_flow_through_the_loss_and_not_through_the_report():
    policy, batch = tiny(1)
    loss, report = impala_loss(policy, batch, (), SETTINGS)
    assert loss.requires_grad and loss.shape == ()
    for name, value in report.items():
        assert not value.requires_grad and value.grad_fn is None and value.shape == (), name
    loss.backward()  # the report holds no part of the graph, and does not change with it
    assert report["loss"].item() == loss.item()


def shifted(vtrace):
    """Swap what a row and the next one see: the bootstrap is the row's own value."""
    return lambda rhos, discounts, rewards, values, _, **others: vtrace(
        rhos, discounts, rewards, values, values, **others
    )


def uncut(vtrace):
    return lambda *rows, cuts, **others: vtrace(*rows, cuts=None, **others)


def unmasked(vtrace):
    return lambda *rows, mask, **others: vtrace(*rows, mask=None, **others)


def undiscounted_ends(vtrace):
    return lambda rhos, discounts, *rows, **others: vtrace(
        rhos, torch.full_like(discounts, discounts.max().item()), *rows, **others
    )


def on_policy(vtrace):
    return lambda rhos, *rows, **others: vtrace(torch.zeros_like(rhos), *rows, **others)


def swapped_bounds(vtrace):
    return lambda *rows, clip_rho, clip_c, **others: vtrace(*rows, clip_rho=clip_c, clip_c=clip_rho, **others)


@pytest.mark.parametrize("change", [shifted, uncut, unmasked, undiscounted_ends, on_policy, swapped_bounds])
def test_mutants_of_the_targets_are_caught(monkeypatch, change):
    policy, batch = tiny(1)
    monkeypatch.setattr(module, "vtrace", change(module.vtrace))
    with pytest.raises(AssertionError):
        assert_matches(policy, wild(batch), replace(SETTINGS, clip_rho=2.0))


@pytest.mark.parametrize("name", ["policy_gradient_loss", "baseline_loss", "entropy_loss"])
@pytest.mark.parametrize(
    "change",
    [
        lambda loss: lambda *arguments: -loss(*arguments),
        lambda loss: lambda *arguments: 2 * loss(*arguments),
        lambda loss: lambda *arguments: loss(*arguments).detach(),
        lambda loss: lambda *arguments: loss(*arguments[:-2], None, arguments[-1]),
    ],
    ids=["sign", "factor", "gradient", "mask"],
)
def test_mutants_of_the_terms_are_caught(monkeypatch, name, change):
    policy, batch = tiny(1)
    monkeypatch.setattr(module, name, change(getattr(losses, name)))
    with pytest.raises(AssertionError):
        # in a sum a mask would not be missed: V-trace makes 0 of the errors and advantages of invalid rows
        assert_matches(policy, batch, replace(SETTINGS, loss_reduction="mean"))
