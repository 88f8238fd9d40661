"""Values are those of the task, not of the time limit, however an environment resets itself."""

import numpy as np
import pytest
import torch

from hsuanwu.env.probes import ValueEnv
from tests.learning import broken
from tests.learning.tasks import true_values

# these tasks know no chance and no action: all environments are alike, which a run says
pytestmark = pytest.mark.filterwarnings("ignore::hsuanwu.common.errors.EnvironmentWarning")

DISCOUNT, BAR = 0.9, 0.05
BUDGET = ("total_steps=8_000", "envs_per_actor=4", "batch_size=8", "rollout_length=4", "learner.lr=0.01")
MODES = ("NextStep", "SameStep", "Disabled")
CONSTANT = {"rewards": [1.0], "num_steps": 5, "terminates": False}
PHASES = {"rewards": [0.0, 0.0, 0.0, 1.0], "num_steps": 6, "terminates": False}
TERMINATING = {"rewards": [1.0] * 5 + [0.0], "num_steps": 5, "terminates": True}


def error(train, env_id, truth, **kwargs):
    """Return the largest relative error of the values that are learnt; ``truth`` is that of each phase."""
    settings = [f"+env.kwargs.{name}={value}" for name, value in kwargs.items()]
    trainer = train("env=gymnasium", f"env.id={env_id}", *settings, f"learner.discount={DISCOUNT}", *BUDGET)
    with torch.inference_mode():
        policy = trainer.agent.learner.actor
        observation = torch.eye(policy.encoder.observation_space.shape[0])
        values = policy.critic(policy.encoder(observation)).squeeze(-1).numpy()
    values = values[: len(truth)]
    return float(np.abs(values / truth - 1).max())


def cycle_error(train, mode, task):
    truth = true_values(**task, discount=DISCOUNT)
    if task["terminates"]:
        truth = truth[: task["num_steps"]]
    return error(train, f"tests.learning.tasks:Cycle{mode}-v0", truth, **task)


def test_time_limit(train):
    truth = ValueEnv().value(0, DISCOUNT)
    assert truth == pytest.approx(1 / (1 - DISCOUNT))
    assert error(train, "hsuanwu.env.probes:HsuanwuTimeLimitValue-v0", np.array([truth])) < BAR


def test_termination(train):
    probe = ValueEnv(terminates=True, shows_step=True)
    truth = np.array([probe.value(step, DISCOUNT) for step in range(5)])
    assert truth[0] == pytest.approx(4.0951) and truth[4] == 1.0
    assert error(train, "hsuanwu.env.probes:HsuanwuTerminalValue-v0", truth) < BAR


@pytest.mark.parametrize("task", [CONSTANT, PHASES, TERMINATING], ids=["constant", "phases", "terminating"])
@pytest.mark.parametrize("mode", MODES)
def test_native_vectors(train, mode, task):
    assert cycle_error(train, mode, task) < BAR


@pytest.mark.parametrize(
    ("mode", "task", "bug"),
    [
        ("NextStep", CONSTANT, broken.takes_truncation_for_termination),
        ("SameStep", CONSTANT, broken.takes_truncation_for_termination),
        ("NextStep", TERMINATING, broken.bootstraps_through_termination),
        ("SameStep", TERMINATING, broken.bootstraps_through_termination),
        ("NextStep", CONSTANT, broken.learns_from_reset_rows),
        ("Disabled", PHASES, broken.learns_from_reset_rows),
        ("SameStep", PHASES, broken.shows_first_observation_for_final_one),
    ],
)
def test_a_broken_twin_learns_something_else(train, mode, task, bug, monkeypatch):
    bug(monkeypatch)
    assert cycle_error(train, mode, task) > BAR
