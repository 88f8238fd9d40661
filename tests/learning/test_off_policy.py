"""V-trace's fixed point, where it is known: a two-armed bandit that another policy plays."""

import math
from types import SimpleNamespace

import pytest
import torch

from hsuanwu.common.trajectory import Trajectory
from hsuanwu.xploit.learner import IMPALALearner

# arm 0 pays 1, arm 1 pays 0
TARGET = torch.tensor([0.9, 0.1])
BEHAVIOUR = torch.tensor([0.5, 0.5])
T, B = 12, 64
TOLERANCE = 0.02


def make_learner():
    """Return a learner whose policy is ``TARGET`` and stays so: only the value is trained."""
    learner = IMPALALearner(
        {"shape": (1,)},
        {"shape": (2,), "type": "Discrete", "range": [0, 1]},
        "cpu",
        feature_dim=8,
        lr=0.05,
        optimizer="SGD",
    )
    with torch.no_grad():
        learner.learner.actor.weight.zero_()
        learner.learner.actor.bias.copy_(TARGET.log())
    learner.learner.requires_grad_(False)
    learner.learner.critic.requires_grad_(True)
    return learner


def play(generator):
    """Return what ``BEHAVIOUR`` did: episodes of one step, each followed by the row of its reset."""
    valid = (torch.arange(T) % 2 == 0).unsqueeze(1).expand(T, B)
    action = torch.multinomial(BEHAVIOUR.expand(T * B, 2), 1, generator=generator).view(T, B)
    reward = ((action == 0) & valid).float()
    led_here = torch.cat([torch.zeros(1, B), reward])
    return Trajectory(
        observation=torch.ones(T + 1, B, 1),
        is_first=(torch.arange(T + 1) % 2 == 0).unsqueeze(1).expand(T + 1, B),
        last_action=torch.cat([torch.zeros(1, B, dtype=torch.int64), action]),
        last_reward=led_here,
        action=action,
        log_prob=BEHAVIOUR.log()[action],
        reward=reward,
        terminated=valid,
        truncated=torch.zeros(T, B, dtype=torch.bool),
        valid=valid,
        init_state=(),
        policy_version=torch.zeros(B, dtype=torch.int64),
    )


def learnt_value(change=lambda batch, target_log_prob: batch, **settings):
    """Return the value that many updates lead to, over the last half of them."""
    learner, generator, values = make_learner(), torch.Generator().manual_seed(3), []
    cfgs = SimpleNamespace(learner={"baseline_coef": 1.0, "ent_coef": 0.0, "loss_reduction": "mean", **settings})
    for _ in range(400):
        batch = play(generator)
        batch = change(batch, TARGET.log()[batch.action])
        metrics = learner.update(cfgs, learner.actor, learner.learner, batch, (), learner.optimizer, None)
        values.append(metrics["value"])
    assert torch.allclose(torch.softmax(learner.actor.actor.bias, -1), TARGET), "the policy moved"
    return sum(values[200:]) / 200


def uncorrected(batch, target_log_prob):
    """Tell the learner that its own policy acted."""
    batch.log_prob = target_log_prob
    return batch


def upside_down(batch, target_log_prob):
    """Make of each ratio its inverse."""
    batch.log_prob = 2 * target_log_prob - batch.log_prob
    return batch


def fixed_point(clip_rho):
    """Return V of ``E[rho (r - V)] = 0`` (Espeholt et al. 2018, section 4.1, with one state)."""
    rho = (TARGET / BEHAVIOUR).clamp(max=clip_rho)
    return float(BEHAVIOUR[0] * rho[0] / (BEHAVIOUR * rho).sum())


def test_off_policy_value():
    assert fixed_point(1.0) == pytest.approx(0.8333, abs=1e-4)
    assert learnt_value() == pytest.approx(0.8333, abs=TOLERANCE)


@pytest.mark.parametrize(("clip_rho", "expected"), [(math.inf, 0.9), (0.2, 0.5)])
def test_the_bound_says_whose_value_it_is(clip_rho, expected):
    """Without bound that of the target policy; with a bound below all ratios that of the behaviour policy."""
    assert fixed_point(clip_rho) == pytest.approx(expected)
    assert learnt_value(clip_rho=clip_rho) == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize(("change", "expected"), [(uncorrected, 0.5), (upside_down, 0.3571)])
def test_a_broken_twin_learns_another_value(change, expected):
    value = learnt_value(change)
    assert value == pytest.approx(expected, abs=TOLERANCE) and abs(value - 0.8333) > 10 * TOLERANCE
