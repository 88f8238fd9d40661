"""The loss that keeps the modes of actions within their bounds."""

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.testing.learner import update
from hsuanwu.xplore.distribution import DiagonalGaussian
from tests.xploit.learner.cases import BOX, DISCRETE, batch_for, cfgs_of, make


def make_beyond(mean):
    learner = make(action_space=BOX, distribution=DiagonalGaussian(BOX), lr=0.01, optimizer="Adam")
    with torch.no_grad():
        learner.learner.actor.mean.weight.zero_()
        learner.learner.actor.mean.bias.fill_(mean)
    return learner


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_it_is_a_term_of_the_loss(reduction):
    coefs = {"loss_reduction": reduction, "baseline_coef": 0.0, "ent_coef": 0.0}
    learner = make_beyond(3.0)
    batch = batch_for(learner)
    metrics = update(learner, batch, cfgs_of(bound_coef=0.25, **coefs))
    rows = 1 if reduction == "mean" else int(batch.valid.sum())
    assert metrics["bound_loss"] == pytest.approx(rows * 2 * 2.0**2, rel=1e-5)
    assert metrics["loss"] == pytest.approx(metrics["policy_loss"] + 0.25 * metrics["bound_loss"], rel=1e-5)


@pytest.mark.parametrize("mean", [-3.0, 3.0])
def test_means_come_back_where_no_reward_calls_them(mean):
    learner = make_beyond(mean)
    batch = batch_for(learner)
    coefs = {"baseline_coef": 0.0, "ent_coef": 0.0, "clip_pg_rho": 1e-6}  # no reward moves the policy
    distances = [update(learner, batch, cfgs_of(**coefs))["bound_loss"] for _ in range(400)]
    assert distances[-1] < 0.01 * distances[0], "the default does not bring them back"
    still = make_beyond(mean)
    distances = [update(still, batch, cfgs_of(bound_coef=1e-9, **coefs))["bound_loss"] for _ in range(400)]
    assert distances[-1] > 0.5 * distances[0]


def test_without_it_the_loss_is_that_of_the_paper():
    learner = make_beyond(3.0)
    metrics = update(learner, batch_for(learner), cfgs_of(bound_coef=0.0, baseline_coef=0.0, ent_coef=0.0))
    assert "bound_loss" not in metrics and metrics["loss"] == metrics["policy_loss"]


def test_actions_without_bounds_lose_nothing():
    learner, twin = make(), make()
    batch = batch_for(learner)
    assert update(learner, batch, cfgs_of(bound_coef=1.0)) == update(twin, batch, cfgs_of(bound_coef=0.0))


@pytest.mark.parametrize("wrong", [-0.1, float("inf"), float("nan"), "much", True])
def test_mistakes_are_one_line(wrong):
    with pytest.raises(ConfigurationError, match=r"learner\.bound_coef: found .*; use a finite number of 0 or more"):
        make(action_space=DISCRETE, bound_coef=wrong)
