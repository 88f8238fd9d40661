"""Plausible bugs: each function breaks one place of the program, with ``monkeypatch``, for one test.

They change what a part does, never the figure that a check looks at.
"""

from dataclasses import replace

import numpy as np
import torch

from hsuanwu.common.nest import map_nest
from hsuanwu.env import serial_vector_env, single_env
from hsuanwu.runtime.group import Group
from hsuanwu.xploit.learner import impala, impala_loss
from hsuanwu.xplore.distribution import MultiCategorical


def _change_batches(monkeypatch, change):
    """Let the learner see ``change(batch)`` instead of each batch."""
    right = impala.as_trajectory
    monkeypatch.setattr(impala, "as_trajectory", lambda batch: change(right(batch)))


def takes_truncation_for_termination(monkeypatch):
    _change_batches(monkeypatch, lambda x: replace(x, terminated=x.terminated | x.truncated))


def bootstraps_through_termination(monkeypatch):
    none = torch.zeros_like
    _change_batches(
        monkeypatch, lambda x: replace(x, terminated=none(x.terminated), truncated=x.terminated | x.truncated)
    )


def learns_from_reset_rows(monkeypatch):
    _change_batches(monkeypatch, lambda x: replace(x, valid=torch.ones_like(x.valid)))


def shows_observations_a_row_late(monkeypatch):
    _change_batches(monkeypatch, lambda x: replace(x, observation=map_nest(lambda o: o.roll(1, 0), x.observation)))


def pays_rewards_a_row_late(monkeypatch):
    _change_batches(monkeypatch, lambda x: replace(x, reward=x.reward.roll(1, 0)))


def shows_first_observation_for_final_one(monkeypatch):
    """Same-step autoreset as it comes: the observation with the end is that of the next episode."""
    right = single_env.SameStepSingleEnv.step

    def step(self, action):
        observation, *outcome = right(self, action)
        return self._first if outcome[1] or outcome[2] else observation, *outcome

    monkeypatch.setattr(single_env.SameStepSingleEnv, "step", step)


def descends_the_policy_gradient(monkeypatch):
    right = impala_loss.policy_gradient_loss
    monkeypatch.setattr(impala_loss, "policy_gradient_loss", lambda log_probs, *rest: right(-log_probs, *rest))


def acts_on_another_environment(monkeypatch):
    """Actions reach the environments in another order than observations come from them."""
    right = serial_vector_env.SerialVectorEnv._play

    def play(self, action, rows, views):
        right(self, np.roll(action, 1, 0), rows, views)

    monkeypatch.setattr(serial_vector_env.SerialVectorEnv, "_play", play)


def misaligns_choices(monkeypatch):
    """The log-probability of a MultiDiscrete action is read one logit beside the sampled one."""
    right = MultiCategorical.log_prob
    monkeypatch.setattr(
        MultiCategorical, "log_prob", lambda self, params, action: right(self, params.roll(1, -1), action)
    )


def drops_init_state(monkeypatch):
    right = impala.impala_loss
    monkeypatch.setattr(
        impala,
        "impala_loss",
        lambda policy, batch, state, settings: right(policy, batch, map_nest(torch.zeros_like, state), settings),
    )


def forgets_between_rollouts(monkeypatch):
    """Each slot begins with a fresh state: actor and learner agree, so that no ratio tells."""
    right = Group.begin

    def begin(self, view, version):
        self._inference.state = map_nest(torch.zeros_like, self._inference.state)
        right(self, view, version)

    monkeypatch.setattr(Group, "begin", begin)


def marks_first_rows_late(monkeypatch):
    """The state is reset after an episode's first row, not before; actor and learner agree on it."""
    right = Group.record

    def record(self, view, t, result):
        right(self, view, t, result)
        rows = view.arrays
        # row t was a reset: it is followed by the first row, and that by the one that is marked now
        late, self._late = getattr(self, "_late", np.ones(self.env.num_envs, bool)), ~rows.valid[t]
        rows.is_first[t + 1] = late

    monkeypatch.setattr(Group, "record", record)
