"""Evaluation from a run folder."""

from omegaconf import OmegaConf

from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.replay import evaluate_run


def test_a_run_from_before_a_key_was_there(composed, tmp_path):
    DistributedTrainer(composed("total_steps=100")).train()
    config = tmp_path / "run" / "config.yaml"
    older = OmegaConf.load(config)
    del older["updates_per_batch"]
    older["learner"]["optimizer_kwargs"] = None  # as it was once
    OmegaConf.save(older, config)
    assert evaluate_run(tmp_path / "run", 2, 0)["episodes"] == 2
