"""A run is not evaluated, and does not go on, in an environment that shows or takes something else than it learned."""

import re

import pytest

from hsuanwu.common.errors import ConfigurationError, RunWarning
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.replay import evaluate_run
from tests.engine import two_entries

TASK = ["env=gymnasium", f"env.id={two_entries.__name__}:TwoEntries-v0", "total_steps=200"]
CHANGES = {
    "a name": ({"names": ("goal", "agent")}, "observation_space.spaces.place.shape: [2], now not there"),
    "an order": ({"names": ("place", "agoal")}, "observation_space.spaces.goal.shape: [2], now not there"),
    "a bound": ({"most": 2.0}, "action_space.range: [-1.0, 1.0], now [-2.0, 2.0]"),
}


@pytest.fixture
def folder(composed):
    trainer = DistributedTrainer(composed(*TASK))
    trainer.train()
    return trainer.folder


@pytest.fixture(params=CHANGES)
def change(request, monkeypatch):
    """Change the environment's own code after a run; return what is said of it."""
    kwargs, said = CHANGES[request.param]
    defaults = {"names": ("goal", "place"), "most": 1.0} | kwargs
    monkeypatch.setattr(two_entries.TwoEntries.__init__, "__defaults__", (defaults["names"], defaults["most"], 5))
    return said


def test_evaluation(folder, change):
    with pytest.raises(ConfigurationError, match=f"^env: its spaces are not those of the run .*{re.escape(change)}"):
        evaluate_run(folder.path, 2, seed=0)


def test_training_goes_on_without_a_word_about_what_stayed(folder, composed):
    DistributedTrainer(composed(*TASK[:2], "total_steps=300", "resume=true")).train()
    assert evaluate_run(folder.path, 2, seed=0)["episodes"] == 2


def test_training_that_would_go_on(folder, composed, change):
    before = folder.spaces.read_bytes()
    with pytest.raises(ConfigurationError, match=f"^env: its spaces are not those of the run .*{re.escape(change)}"):
        DistributedTrainer(composed(*TASK[:2], "total_steps=300", "resume=true"))
    assert folder.spaces.read_bytes() == before


def test_without_the_file_nothing_is_compared(folder, change):
    folder.spaces.unlink()
    assert evaluate_run(folder.path, 2, seed=0)["episodes"] == 2


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_a_file_that_is_no_json_is_warned_of(folder, text):
    folder.spaces.write_text(text)
    with pytest.warns(RunWarning, match=r"spaces.json: is no JSON \(.*the environment's spaces are not compared"):
        assert evaluate_run(folder.path, 2, seed=0)["episodes"] == 2
