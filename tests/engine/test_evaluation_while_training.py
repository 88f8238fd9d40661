"""Evaluation at fixed intervals, and the best policy kept."""

import json
from pathlib import Path

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer, distributed_trainer
from hsuanwu.engine.checkpoint import best_return, load_checkpoint
from hsuanwu.engine.evaluator import Evaluation
from hsuanwu.engine.replay import evaluate_run
from hsuanwu.engine.run_folder import RunFolder


def evaluations(run_dir):
    lines = [json.loads(line) for line in (Path(run_dir) / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "eval_episode_return" in line]


def script(monkeypatch, returns):
    """Let evaluations find these returns, one after the other."""
    left = list(returns)
    monkeypatch.setattr(distributed_trainer, "evaluate", lambda *_, **__: Evaluation((left.pop(0),) * 2, (5, 5)))
    return left


def test_each_interval_is_a_line(composed, tmp_path):
    trainer = DistributedTrainer(composed("eval_interval=400", "eval_episodes=3"))
    trainer.train()
    trainer.test()
    lines = evaluations(tmp_path / "run")
    assert len(lines) == 4, "three intervals, the end among them, and the evaluation after it"
    assert [line["step"] >= 400 * (i + 1) for i, line in enumerate(lines[:3])] == [True] * 3
    assert lines[0]["eval_episodes"] == 3
    first = lines[0]
    assert first["eval_episode_return_min"] <= first["eval_episode_return"] <= first["eval_episode_return_max"]


def test_training_is_the_same_with_and_without(composed, tmp_path):
    """Evaluation has environments and random numbers of its own."""
    weights = []
    for name, interval in (("a", "null"), ("b", "300")):
        DistributedTrainer(composed(f"run_dir={tmp_path / name}", f"eval_interval={interval}")).train()
        weights.append(load_checkpoint(RunFolder(tmp_path / name))["policy"])
    assert all(torch.equal(x, weights[1][name]) for name, x in weights[0].items())


def test_the_best_policy_is_kept(composed, tmp_path, monkeypatch):
    left = script(monkeypatch, [1.0, 9.0, 4.0])
    DistributedTrainer(composed("eval_interval=400")).train()
    assert not left
    folder = RunFolder(tmp_path / "run")
    best, newest = load_checkpoint(folder, best=True), load_checkpoint(folder)
    assert best_return(folder) == best["eval_episode_return"] == 9.0
    assert 800 <= best["steps"] < newest["steps"]
    monkeypatch.undo()
    assert evaluate_run(tmp_path / "run", 2, 0, best=True)["episodes"] == 2


def test_a_run_that_goes_on_knows_what_was_best(composed, tmp_path, monkeypatch):
    script(monkeypatch, [9.0, 1.0, 1.0])
    DistributedTrainer(composed("eval_interval=400")).train()
    script(monkeypatch, [5.0, 5.0])
    DistributedTrainer(composed("eval_interval=400", "total_steps=2000", "resume=true")).train()
    assert best_return(RunFolder(tmp_path / "run")) == 9.0


def test_no_best_without_evaluations(composed, tmp_path):
    DistributedTrainer(composed()).train()
    with pytest.raises(ConfigurationError, match=r"holds no best.pt; it is kept where eval_interval"):
        evaluate_run(tmp_path / "run", 2, 0, best=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["eval_interval=0"], "eval_interval: found 0; use 1 or more, or null"),
        (["eval_interval=10", "eval_episodes=0"], "eval_episodes: found 0; use 1 or more, or eval_interval=null"),
    ],
)
def test_refused(composed, overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        DistributedTrainer(composed(*overrides))


def test_normalisation_is_saved_published_and_evaluated(composed, tmp_path):
    trainer = DistributedTrainer(composed("normalize_observation=true", "learner.normalize_reward=true"))
    trainer.train()
    learner = trainer.agent.learner
    saved = load_checkpoint(RunFolder(tmp_path / "run"))["policy"]
    assert float(saved["encoder.moments.0.count"]) > 1000 and float(saved["reward_moments.count"]) > 1000
    assert all(torch.equal(x, learner.actor.state_dict()[name]) for name, x in saved.items())
    mean = saved["encoder.moments.0.mean"].clone()
    trainer.test(episodes=2)
    assert torch.equal(mean, learner.actor.state_dict()["encoder.moments.0.mean"]), "evaluation changes no statistics"
