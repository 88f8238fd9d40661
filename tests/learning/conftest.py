"""Training runs of seconds, by the trainer that users run."""

import pytest
from hydra import compose, initialize_config_module

from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.config import register_groups

COMMON = (
    "num_actors=2",
    "learner_threads=1",
    "feature_dim=32",
    "learner.optimizer=Adam",
    "learner.eps=1e-5",
    "learner.ent_coef=0",
)


@pytest.fixture
def train(tmp_path):
    """Return a function that trains from overrides and returns the trainer."""
    register_groups()
    runs = iter(range(100))

    def run(*overrides):
        folder = tmp_path / f"run{next(runs)}"
        with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
            cfgs = compose("config", ["transport=local", *COMMON, f"run_dir={folder}", *overrides])
        trainer = DistributedTrainer(cfgs)
        trainer.train()
        return trainer

    return run
