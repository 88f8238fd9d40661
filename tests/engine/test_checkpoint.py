"""What a checkpoint must hold for a run to go on."""

import re

import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.checkpoint import load_checkpoint


def test_optimizer_arguments_that_need_more_than_was_saved_are_refused(composed):
    DistributedTrainer(composed("total_steps=100")).train()
    with pytest.raises(ConfigurationError, match=r"lacks .*\(momentum_buffer\); keep learner.optimizer_kwargs"):
        DistributedTrainer(composed("resume=true", "learner.optimizer_kwargs.momentum=0.9"))


@pytest.mark.parametrize("optimizer", ["RMSprop", "Adam", "AdamW", "SGD"])
def test_optimizer_arguments_that_need_no_more_may_change(composed, optimizer):
    DistributedTrainer(composed("total_steps=100", f"learner.optimizer={optimizer}")).train()
    overrides = ["resume=true", f"learner.optimizer={optimizer}", "learner.optimizer_kwargs={weight_decay:0.01}"]
    trainer = DistributedTrainer(composed("total_steps=300", *overrides))
    trainer.train()
    assert trainer.clock.steps >= 300


def test_another_network_is_told_with_every_key_that_may_be_the_cause(composed):
    DistributedTrainer(composed("total_steps=100")).train()
    with pytest.raises(ConfigurationError, match=re.escape("feature_dim, normalize_observation and learner.use_lstm")):
        DistributedTrainer(composed("resume=true", "normalize_observation=true"))


def test_checkpoints_on_the_way_know_how_long_the_run_took(composed, tmp_path):
    trainer = DistributedTrainer(composed("eval_interval=400"))
    trainer.train()
    folder = tmp_path / "run" / "checkpoints"
    assert 0 < load_checkpoint(folder, best=True)["wall_seconds"] <= load_checkpoint(folder)["wall_seconds"]
    assert load_checkpoint(folder)["wall_seconds"] == pytest.approx(trainer.wall_seconds)
