"""Weights that act 64 updates late: V-trace learns all the same, and without its ratios little comes of it."""

import json
from collections import deque
from statistics import median

import pytest
import torch

from hsuanwu.runtime.transport import local
from hsuanwu.runtime.weights import Weights
from hsuanwu.xploit.learner import impala_loss

LAG = 64
CARTPOLE = (
    "env=cartpole",
    "total_steps=200_000",
    "envs_per_actor=8",
    "batch_size=16",
    "normalize_observation=true",
    "eval_episodes=0",
    "feature_dim=64",
    "learner.lr=0.002",
    "learner.lr_schedule=constant",
    "learner.discount=0.98",
    "learner.ent_coef=0.01",
    "learner.init=orthogonal",
    "learner.loss_reduction=mean",
    "learner.max_grad_norm=0.5",
    "learner.normalize_reward=true",
)


def hold_back(monkeypatch):
    """Let each version of the weights reach the actors when 64 more have been made."""
    right, waiting = local._LocalLearnerEnd.publish, deque()

    def publish(self, weights):
        waiting.append(Weights(weights.version, {name: x.clone() for name, x in weights.tensors.items()}))
        if len(waiting) > LAG:
            right(self, waiting.popleft())

    monkeypatch.setattr(local._LocalLearnerEnd, "publish", publish)
    return waiting


def leave_uncorrected(monkeypatch):
    """Take what was done for what the policy would have done: all ratios are 1."""
    right = impala_loss.vtrace
    monkeypatch.setattr(
        impala_loss, "vtrace", lambda log_rhos, *rest, **others: right(torch.zeros_like(log_rhos), *rest, **others)
    )


def episode_returns(train, waiting):
    """Return the mean return of each of three seeds after training."""
    returns = []
    for seed in (1, 2, 3):
        waiting.clear()
        trainer = train(*CARTPOLE, f"seed={seed}")
        last_line = json.loads(trainer.folder.metrics.read_text().splitlines()[-1])
        assert last_line["policy_lag"] == pytest.approx(LAG, abs=1)
        returns.append(trainer.test(episodes=100).to_dict()["episode_return"]["mean"])
    return returns


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_vtrace_reaches_twice_the_return(train, monkeypatch):
    waiting = hold_back(monkeypatch)
    corrected = episode_returns(train, waiting)
    leave_uncorrected(monkeypatch)
    uncorrected = episode_returns(train, waiting)
    print(f"lag {LAG}: corrected {corrected}, uncorrected {uncorrected}")
    assert median(corrected) >= 2 * median(uncorrected)
