"""Forty wrong answers, in reset and in step, in each form of environment and under each transport: none is silent."""

import multiprocessing
import re

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault
from hsuanwu.engine import DistributedTrainer
from tests.env import wrong

NAMES = {"gymnasium": "Wrong-v0", "native": "WrongVector-v0", "dm_env": "tests.env.wrong.make"}
CASES = [(what, where) for where in ("reset", "step") for what in wrong.IN_BOTH] + [(x, "step") for x in wrong.IN_STEP]


def cases(transport):
    """Return what can be answered wrongly in each form; dm_env makes flags of its own."""
    found = [(form, *case) for form in wrong.FORMS for case in CASES]
    found = [case for case in found if not (case[0] == "dm_env" and case[1] in wrong.FLAGS)]
    return [pytest.param(*case, transport, id="-".join((*case, transport))) for case in found]


def settings(form, what, where):
    return [*wrong.FORMS[form].split(), f"env.kwargs.what={what}", f"env.kwargs.where={where}"]


def check(composed, form, what, where, transport):
    small = [f"transport={transport}", "num_actors=1", "batch_size=4", "eval_episodes=0"]
    small += ["learner_threads=1", "precision=float32", "overlap=false"]  # nothing is measured before
    trainer = DistributedTrainer(composed(*settings(form, what, where), *small))
    with pytest.raises(EnvironmentFault) as caught:
        trainer.train()
    line, *trace = str(caught.value).splitlines()
    assert not trace, "what an environment answers has no traceback"
    assert line.startswith(f"env {NAMES[form]}, actor 0, ") and wrong.key_of(what) in line
    # the third reset is that of the third episode; the 8th step is the second of it, of episodes of three steps
    place = "reset" if where == "reset" else "step 2"
    assert f"episode 3, {place}: " in line or (form == "native" and re.search(r", step \d+: ", line)), line
    weights = trainer.agent.learner.learner.state_dict().values()
    assert all(bool(torch.isfinite(x).all()) for x in weights if x.is_floating_point())
    assert not multiprocessing.active_children()


def test_there_are_forty():
    assert len(wrong.IN_BOTH) + len(wrong.IN_STEP) >= 40


@pytest.mark.parametrize(("form", "what", "where", "transport"), cases("local")[::2])
def test_local(composed, form, what, where, transport):
    check(composed, form, what, where, transport)


@pytest.mark.parametrize(("form", "what", "where", "transport"), [*cases("thread")[::10], *cases("process")[::25]])
def test_concurrent(composed, form, what, where, transport):
    check(composed, form, what, where, transport)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "what", "where", "transport"), [*cases("local")[1::2], *cases("thread"), *cases("process")]
)
def test_the_others(composed, form, what, where, transport):
    check(composed, form, what, where, transport)


@pytest.mark.parametrize("form", wrong.FORMS)
def test_what_is_wrong_at_once_is_a_mistake_in_the_configuration(composed, form, monkeypatch, tmp_path):
    monkeypatch.setattr(wrong.Wrong, "is_due", lambda self, where: where == self.where)
    for where in ("reset", "step"):
        with pytest.raises(ConfigurationError, match=r"observation_space\.vector: an observation is None"):
            DistributedTrainer(composed(*settings(form, "none", where)))
    assert not (tmp_path / "run").exists()
