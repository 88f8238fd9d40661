"""Every registered learner keeps the contract, for every space of actions; broken ones do not."""

from threading import RLock

import pytest
import torch

from hsuanwu.common.registry import options
from hsuanwu.testing.learner import check_learner
from hsuanwu.xploit.learner import IMPALALearner
from tests.xploit.learner.cases import ACTIONS, BOX, DISCRETE, DOCUMENTED, OBSERVATION

NESTED = {"type": "Dict", "spaces": {"frames": {"shape": (2, 36, 36)}, "speed": {"shape": (3,)}}}


def make(cls, **others):
    torch.manual_seed(0)
    return cls(**{**DOCUMENTED, **others})


@pytest.mark.parametrize("use_lstm", [False, True])
@pytest.mark.parametrize("action_space", ACTIONS, ids=str)
@pytest.mark.parametrize("name", options("learner"))
def test_contract(name, action_space, use_lstm):
    learner = make(options("learner")[name], action_space=action_space, use_lstm=use_lstm)
    check_learner(learner, OBSERVATION, action_space)


@pytest.mark.parametrize("observation_space", [NESTED, {"shape": (4, 84, 84)}], ids=["nested", "frames"])
@pytest.mark.parametrize("name", options("learner"))
def test_contract_for_observations(name, observation_space):
    learner = make(options("learner")[name], observation_space=observation_space, use_lstm=True)
    check_learner(learner, observation_space, DISCRETE)


def update_that(change):
    """Return a learner class whose update does something else besides."""

    class Mutant(IMPALALearner):
        @classmethod
        def update(cls, cfgs, actor, model, batch, state, optimizer, lr_scheduler, lock=None):
            return change(super().update, cfgs, actor, model, batch, state, optimizer, lr_scheduler, lock)

    return Mutant


def publishes_nothing(update, cfgs, actor, *rest):
    before = {name: x.clone() for name, x in actor.state_dict().items()}
    metrics = update(cfgs, actor, *with_lock(rest))
    actor.load_state_dict(before)
    return metrics


def takes_no_lock(update, *arguments):
    return update(*arguments[:-1])


def forgets_the_schedule(update, cfgs, actor, model, batch, state, optimizer, lr_scheduler, lock):
    return update(cfgs, actor, model, batch, state, optimizer, None, lock or RLock())


def makes_integers(update, *arguments):
    return {name: int(value) for name, value in update(*with_lock(arguments)).items()}


def counts_invalid_rows(update, cfgs, actor, model, batch, *rest):
    if not isinstance(batch, dict):
        batch.valid.fill_(True)
    return update(cfgs, actor, model, batch, *with_lock(rest))


def zeros_rewards(update, cfgs, actor, model, batch, *rest):
    reward = batch["reward"] if isinstance(batch, dict) else batch.reward
    reward.nan_to_num_()
    return update(cfgs, actor, model, batch, *with_lock(rest))


def ignores_what_is_not_finite(update, cfgs, actor, model, batch, *rest):
    try:
        return update(cfgs, actor, model, batch, *with_lock(rest))
    except FloatingPointError:
        return {"loss": 0.0}


def with_lock(arguments):
    return (*arguments[:-1], arguments[-1] or RLock())


@pytest.mark.parametrize(
    "change, message",
    [
        (publishes_nothing, "the actor does not have the new weights"),
        (takes_no_lock, "the lock is not held"),
        (forgets_the_schedule, "lr_scheduler was not stepped"),
        (makes_integers, "is int"),
        (counts_invalid_rows, "changed valid of its batch|invalid rows"),
        (zeros_rewards, "was learned from"),
        (ignores_what_is_not_finite, "was learned from"),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_mutants_are_caught(change, message):
    mutant = make(update_that(change), action_space=BOX)
    with pytest.raises(AssertionError, match=message):
        check_learner(mutant, OBSERVATION, BOX)


def test_a_learner_that_shares_weights_with_its_actor_is_caught():
    learner = make(IMPALALearner)
    learner.actor = learner.learner
    with pytest.raises(AssertionError, match="share weights"):
        check_learner(learner, OBSERVATION, DISCRETE)
