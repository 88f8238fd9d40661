"""Small runs in temporary folders."""

import pytest
from hydra import compose, initialize_config_module

from hsuanwu.engine.config import register_groups


@pytest.fixture
def composed(tmp_path):
    """Return a function that composes a tiny local run from overrides."""
    register_groups()

    def make(*overrides):
        small = ["transport=local", "total_steps=1200", "num_actors=2", "envs_per_actor=4", "batch_size=8"]
        small += ["rollout_length=10", "feature_dim=8", "eval_episodes=3", f"run_dir={tmp_path / 'run'}"]
        with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
            return compose("config", [*small, *overrides])

    return make
