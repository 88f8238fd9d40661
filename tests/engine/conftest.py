"""Small runs in temporary folders."""

import functools

import pytest
from hydra import compose, initialize_config_module

from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.config import register_groups


def compose_small(run_dir, *overrides):
    """Compose a tiny local run."""
    register_groups()
    small = ["transport=local", "total_steps=1200", "num_actors=2", "envs_per_actor=4", "batch_size=8"]
    small += ["rollout_length=10", "feature_dim=8", "eval_episodes=3", f"run_dir={run_dir}"]
    with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
        return compose("config", [*small, *overrides])


@pytest.fixture
def composed(tmp_path):
    """Return a function that composes a tiny local run from overrides."""
    return functools.partial(compose_small, tmp_path / "run")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of a run with three checkpoints, to be copied."""
    trainer = DistributedTrainer(compose_small(tmp_path_factory.mktemp("runs") / "run"))
    trainer.train()
    return trainer.folder.path
