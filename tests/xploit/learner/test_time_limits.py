"""How an episode ends decides what the value function learns: the same experience, but for one flag."""

from dataclasses import replace

import pytest
import torch

from hsuanwu.common.trajectory import Trajectory
from hsuanwu.testing.learner import update
from hsuanwu.xploit.encoder import IdentityEncoder
from tests.xploit.learner.cases import DISCRETE, cfgs_of, make

DISCOUNT, LENGTH, T, B = 0.8, 3, 11, 2
SPACE = {"shape": (LENGTH,), "type": "Box", "range": [0, 1]}


def ring():
    """Return experience of episodes of ``LENGTH`` steps, one reward each; what is seen is the step modulo LENGTH.

    The final observation so looks like the first one, and its value is one that is learnt.
    """
    place = torch.stack([(torch.arange(T + 1) + b) % (LENGTH + 1) for b in range(B)], 1)
    observation = torch.nn.functional.one_hot(place % LENGTH, LENGTH).float()
    ends, valid, is_first = place[:-1] == LENGTH - 1, place[:-1] != LENGTH, place == 0
    zeros = torch.zeros_like(ends)
    action = torch.zeros(T, B, dtype=torch.int64)
    return Trajectory(
        observation=observation,
        is_first=is_first,
        last_action=torch.zeros(T + 1, B, dtype=torch.int64),
        last_reward=torch.zeros(T + 1, B),
        action=action,
        log_prob=torch.full((T, B), -1.0986),
        reward=valid.float(),
        terminated=ends,
        truncated=zeros,
        valid=valid,
        init_state=(),
        policy_version=torch.zeros(B, dtype=torch.int64),
    )


def learnt_values(batch, updates=400):
    learner = make(
        observation_space=SPACE,
        action_space=DISCRETE,
        encoder=IdentityEncoder(SPACE, LENGTH),
        optimizer="Adam",
        lr=0.1,
        discount=DISCOUNT,
    )
    clip = 1e-6  # the policy learns too; with tiny ratios in its loss it stays where it was
    cfgs = cfgs_of(discount=DISCOUNT, ent_coef=0.0, clip_pg_rho=clip)
    for index in range(updates):
        for group in learner.optimizer.param_groups:
            group["lr"] = 0.1 * (1 - index / updates)
        update(learner, batch, cfgs)
    return learner.learner.critic(torch.eye(LENGTH)).squeeze(-1).tolist()


def test_after_a_termination_there_is_nothing():
    expected = [sum(DISCOUNT**k for k in range(LENGTH - place)) for place in range(LENGTH)]
    assert learnt_values(ring()) == pytest.approx(expected, abs=0.02)


def test_after_a_truncation_it_would_have_gone_on():
    batch = ring()
    batch = replace(batch, truncated=batch.terminated, terminated=batch.truncated)
    assert learnt_values(batch) == pytest.approx([1 / (1 - DISCOUNT)] * LENGTH, abs=0.02)


def test_what_both_flags_say_is_a_termination():
    batch = replace(ring(), truncated=ring().terminated)
    expected = [sum(DISCOUNT**k for k in range(LENGTH - place)) for place in range(LENGTH)]
    assert learnt_values(batch) == pytest.approx(expected, abs=0.02)
