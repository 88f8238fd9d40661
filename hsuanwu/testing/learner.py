"""What every learner keeps."""

from __future__ import annotations

import copy
import math
import threading
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from hsuanwu.common.clock import Clock
from hsuanwu.common.nest import leaves, map_nest
from hsuanwu.common.spaces import SpaceLike
from hsuanwu.common.trajectory import Trajectory
from hsuanwu.testing.trajectory import random_trajectory
from hsuanwu.xploit.learner.base import Learner

_CFGS: dict[str, Any] = {"learner": {}}


def check_learner(learner: Learner, observation_space: SpaceLike, action_space: SpaceLike, seed: int = 0) -> None:
    """Assert that a learner keeps the contract of learners.

    Actor and learner begin with the same weights and share none; an update changes those of the learner and gives
    them to the actor, under the lock; metrics are finite numbers; the class and an instance, a Trajectory and a
    mapping do the same; what stands in invalid rows does not count; a reward that is not a number changes nothing.

    Args:
        learner: any learner; copies of it are trained.
        observation_space: what it looks at.
        action_space: what it does.
        seed: of the random trajectories.
    """
    batch = random_trajectory(observation_space, action_space, state_spec=learner.actor.state_spec, seed=seed)
    _check_policies(learner)
    _check_modes(copy.deepcopy(learner))
    _check_update(copy.deepcopy(learner), batch)
    _check_forms(learner, batch)
    _check_invalid_rows(learner, batch)
    _check_refusal(copy.deepcopy(learner), batch)


def update(learner: Learner, batch: Any, cfgs: Any = _CFGS, state: Any = None, **others: Any) -> dict[str, float]:
    """Update a learner with its own models and optimizer; no scheduler but in ``others``.

    Args:
        learner: whose ``update`` is called.
        batch: a Trajectory, or a mapping of its fields.
        cfgs: has a section ``learner``.
        state: recurrent state before row 0; None takes that of ``batch``, a Trajectory.
        others: ``lr_scheduler``, ``lock``.
    """
    others.setdefault("lr_scheduler", None)
    state = batch.init_state if state is None else state
    return learner.update(cfgs, learner.actor, learner.learner, batch, state, learner.optimizer, **others)


class RecordingLock:
    """A lock that tells whether it is held, and how often it was taken."""

    def __init__(self) -> None:
        self.is_held, self.count = False, 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self.is_held, self.count = True, self.count + 1

    def __exit__(self, *error: object) -> None:
        self.is_held = False
        self._lock.release()


def _check_policies(learner: Learner) -> None:
    actor, trained = learner.actor, learner.learner
    _assert_published(learner, "actor and learner begin with different weights")
    ours = {parameter.data_ptr() for parameter in trained.parameters()}
    assert ours.isdisjoint(parameter.data_ptr() for parameter in actor.parameters()), "actor and learner share weights"
    assert all(parameter.requires_grad for parameter in trained.parameters()), "a weight of the learner is frozen"
    stepped = {parameter for group in learner.optimizer.param_groups for parameter in group["params"]}
    assert stepped == set(trained.parameters()), "the optimizer does not step the weights of the learner"
    state = actor.init_state(3)
    assert all(leaf.shape[0] == 3 for leaf in leaves(state)), "init_state is not [3, ...]"


def _check_modes(learner: Learner) -> None:
    for training in (False, True):
        learner.train(training)
        assert learner.learner.training == training, f"train({training}) does nothing"
        assert not learner.actor.training, "the actor is in training mode"


def _check_update(learner: Learner, batch: Trajectory) -> None:
    kept, weights = batch.map(torch.clone), _weights(learner)
    clock, lock = Clock(total_steps=100), RecordingLock()
    scheduler, held = learner.make_lr_scheduler(clock), []
    learner.optimizer.register_step_pre_hook(lambda *_: held.append(lock.is_held))
    metrics = update(learner, batch, lr_scheduler=scheduler, lock=lock)
    assert type(metrics) is dict and metrics, "metrics are no dict"
    for name, value in metrics.items():
        assert isinstance(name, str) and type(value) is float, f"metric {name} is {type(value).__name__}"
        assert math.isfinite(value), f"metric {name} is {value}"
    assert held == [True], "the lock is not held while the optimizer steps"
    assert lock.count == 1 and not lock.is_held, "the lock was not given back"
    assert scheduler.last_epoch == 1, "lr_scheduler was not stepped once"
    assert any(not torch.equal(x, weights[name]) for name, x in _weights(learner).items()), "no weight was changed"
    _assert_published(learner, "the actor does not have the new weights")
    for name, before, after in _pairs(kept, batch):
        assert torch.equal(before, after), f"the update changed {name} of its batch"
    rate = learner.optimizer.param_groups[0]["lr"]
    clock.advance(100)
    scheduler.step()
    assert learner.optimizer.param_groups[0]["lr"] <= rate, "the learning rate rises towards the end"


def _check_forms(learner: Learner, batch: Trajectory) -> None:
    """The class does what an instance does, and a mapping says what a Trajectory says."""
    first, second = copy.deepcopy(learner), copy.deepcopy(learner)
    mapping = {f.name: getattr(batch, f.name) for f in fields(batch)}
    metrics = update(first, batch)
    model, state = second.learner, batch.init_state
    other = type(learner).update(_CFGS, second.actor, model, mapping, state, second.optimizer, None)
    assert metrics == other, "a class or a mapping gives other metrics"
    _assert_same_weights(first, second, "a class or a mapping gives other weights")


def _check_invalid_rows(learner: Learner, batch: Trajectory) -> None:
    assert not batch.valid.all(), "this seed makes no invalid rows; take another"
    dirty = replace(batch, **{name: _spoilt(getattr(batch, name), ~batch.valid) for name in ("reward", "log_prob")})
    first, second = copy.deepcopy(learner), copy.deepcopy(learner)
    assert update(first, batch) == update(second, dirty), "what stands in invalid rows counts"
    _assert_same_weights(first, second, "what stands in invalid rows changes weights")


def _check_refusal(learner: Learner, batch: Trajectory) -> None:
    weights, state = _weights(learner), copy.deepcopy(learner.optimizer.state_dict())
    at = batch.valid & (batch.valid.cumsum(0) == 1)
    for value in (torch.nan, torch.inf, -torch.inf):
        try:
            update(learner, replace(batch, reward=torch.where(at, value, batch.reward)))
        except FloatingPointError as error:
            assert "\n" not in str(error), "the error is not one line"
        else:
            raise AssertionError(f"a reward of {value} was learned from")
        assert all(torch.equal(x, weights[name]) for name, x in _weights(learner).items()), "a weight was changed"
        _assert_published(learner, "the actor was changed")
        assert str(learner.optimizer.state_dict()) == str(state), "the optimizer was changed"
    twin = copy.deepcopy(learner)
    update(learner, batch)
    update(twin, batch)
    _assert_same_weights(learner, twin, "a refused batch is seen in the next update")


def _spoilt(x: Tensor, where: Tensor) -> Tensor:
    return torch.where(where, torch.nan, x)


def _weights(learner: Learner) -> dict[str, Tensor]:
    return {name: x.detach().clone() for name, x in learner.learner.state_dict().items()}


def _assert_published(learner: Learner, message: str) -> None:
    ours, theirs = learner.learner.state_dict(), learner.actor.state_dict()
    assert ours.keys() == theirs.keys(), message
    assert all(torch.equal(x.cpu(), theirs[name].cpu()) for name, x in ours.items()), message


def _assert_same_weights(first: Learner, second: Learner, message: str) -> None:
    theirs = second.learner.state_dict()
    assert all(torch.equal(x, theirs[name]) for name, x in first.learner.state_dict().items()), message


def _pairs(before: Trajectory, after: Trajectory) -> list[tuple[str, Tensor, Tensor]]:
    names = [f.name for f in fields(Trajectory)]
    found: list[tuple[str, Tensor, Tensor]] = []
    for name in names:
        map_nest(lambda x, y, name=name: found.append((name, x, y)), getattr(before, name), getattr(after, name))
    return found
