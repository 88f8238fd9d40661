"""Weights that act 64 updates late: V-trace learns all the same, and without its ratios nothing comes of it."""

from collections import deque

import pytest
import torch

from hsuanwu.runtime.transport import local
from hsuanwu.runtime.weights import Weights
from hsuanwu.xploit.learner import impala_loss

LAG = 64
CARTPOLE = (
    "env=cartpole",
    "total_steps=300_000",
    "envs_per_actor=8",
    "batch_size=16",
    "feature_dim=64",
    "learner.lr=0.001",
    "learner.discount=0.98",
    "learner.ent_coef=0.01",
    "learner.loss_reduction=mean",
    "learner.max_grad_norm=0.5",
)


def hold_back(monkeypatch):
    """Let each version of the weights reach the actors when 64 more have been made."""
    right, waiting = local._LocalLearnerEnd.publish, deque()

    def publish(self, weights):
        waiting.append(Weights(weights.version, {name: x.clone() for name, x in weights.tensors.items()}))
        if len(waiting) > LAG:
            right(self, waiting.popleft())

    monkeypatch.setattr(local._LocalLearnerEnd, "publish", publish)


def leave_uncorrected(monkeypatch):
    """Take what was done for what the policy would have done: all ratios are 1."""
    right = impala_loss.vtrace
    monkeypatch.setattr(
        impala_loss, "vtrace", lambda log_rhos, *rest, **others: right(torch.zeros_like(log_rhos), *rest, **others)
    )


def episode_return(train, seed):
    trainer = train(*CARTPOLE, f"seed={seed}")
    evaluation = trainer.test(episodes=100)
    return evaluation.to_dict()["episode_return"]["mean"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_vtrace_reaches_twice_the_return(train, monkeypatch):
    hold_back(monkeypatch)
    corrected = [episode_return(train, seed) for seed in (1, 2, 3)]
    leave_uncorrected(monkeypatch)
    uncorrected = [episode_return(train, seed) for seed in (1, 2, 3)]
    print(f"lag {LAG}: corrected {corrected}, uncorrected {uncorrected}")
    assert sorted(corrected)[1] >= 2 * sorted(uncorrected)[1]
