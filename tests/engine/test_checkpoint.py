"""What a checkpoint must hold for a run to go on, and that none is lost or left half written."""

import errno
import math
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError, RunWarning
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.checkpoint import best_return, list_checkpoints, load_checkpoint, save_best
from hsuanwu.engine.replay import evaluate_run
from hsuanwu.engine.run_folder import RunFolder


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
    folder = RunFolder(tmp_path / "run")
    assert 0 < load_checkpoint(folder, best=True)["wall_seconds"] <= load_checkpoint(folder)["wall_seconds"]
    assert load_checkpoint(folder)["wall_seconds"] == pytest.approx(trainer.wall_seconds)


def test_an_interrupt_during_the_last_checkpoint_comes_after_it(composed, tmp_path, monkeypatch):
    """The weights that were reached are on disk, whatever moment is chosen."""
    trainer, save = DistributedTrainer(composed("total_steps=400")), torch.save

    def interrupted(state, path):
        if trainer.clock.is_over:
            os.kill(os.getpid(), signal.SIGINT)
        save(state, path)

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    folder = RunFolder(tmp_path / "run")
    assert load_checkpoint(folder)["steps"] == trainer.clock.steps >= 400
    assert not list(folder.path.rglob("*.partial"))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_costs_a_line_and_not_the_run(composed, tmp_path, monkeypatch, error):
    """No half checkpoint is left, and the next one is tried."""
    trainer, write, failed = DistributedTrainer(composed("eval_interval=400")), Path.write_bytes, []

    def fails(path, data):
        if len(failed) < 2 and path.parent.name == "checkpoints":
            failed.append(path.name)
            write(path, bytes(data[:100]))
            raise OSError(error, os.strerror(error), str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.warns(RunWarning, match="cannot be written .*; training goes on, and the next one is tried") as told:
        trainer.train()
    assert len(failed) == len(told) == 2
    (saved,) = list_checkpoints(RunFolder(tmp_path / "run"))[-1:]
    assert {path.suffix for path in saved.parent.iterdir()} == {".pt"}
    assert load_checkpoint(RunFolder(tmp_path / "run"))["steps"] == trainer.clock.steps


def test_a_disk_that_refuses_the_last_one_is_an_error(composed, monkeypatch):
    trainer = DistributedTrainer(composed("total_steps=100", "checkpoint_interval=1000"))

    def fails(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.warns(RunWarning, match="it is tried again"), pytest.raises(OSError, match="No space left"):
        trainer.train()


def failing_once(monkeypatch, name, is_it, error=errno.EIO):
    """Let a method of ``Path`` fail once, at the first path that ``is_it``, and name none; return what has failed."""
    right, failed = getattr(Path, name), []

    def fails(path, *args, **kwargs):
        if not failed and is_it(path):
            failed.append(path.name)
            raise OSError(error, os.strerror(error))
        return right(path, *args, **kwargs)

    monkeypatch.setattr(Path, name, fails)
    return failed


def test_the_last_one_is_tried_twice(composed, tmp_path, monkeypatch):
    trainer = DistributedTrainer(composed("total_steps=100", "checkpoint_interval=1000"))
    failed = failing_once(monkeypatch, "write_bytes", lambda path: path.parent.name == "checkpoints")
    with pytest.warns(RunWarning, match=r"step_\d+.pt: cannot be written .*; it is tried again") as told:
        trainer.train()
    assert len(failed) == len(told) == 1
    assert load_checkpoint(RunFolder(tmp_path / "run"))["steps"] == trainer.clock.steps


@pytest.mark.parametrize(("name", "what"), [("lstat", "checkpoints"), ("exists", "config.yaml")])
def test_a_folder_that_cannot_be_looked_at_for_a_moment_costs_no_run(composed, tmp_path, monkeypatch, name, what):
    trainer = DistributedTrainer(composed("total_steps=800", "checkpoint_interval=200"))
    failed = failing_once(monkeypatch, name, lambda path: trainer.clock.updates and path.name == what)
    with pytest.warns(RunWarning, match=r"cannot be written \(Input/output error\); training goes on") as told:
        trainer.train()
    assert len(failed) == len(told) == 1
    assert load_checkpoint(RunFolder(tmp_path / "run"))["steps"] == trainer.clock.steps >= 800


def test_a_best_one_that_cannot_be_read_is_replaced(composed, tmp_path, monkeypatch):
    trainer = DistributedTrainer(composed("total_steps=800", "checkpoint_interval=200", "eval_interval=200"))
    failed = failing_once(monkeypatch, "read_bytes", lambda path: path.name == "best.pt")
    trainer.train()
    assert failed and best_return(RunFolder(tmp_path / "run")) > 0


@pytest.mark.parametrize("name", ["model.partial", "spaces.partial", "metrics.jsonl"])
def test_a_start_that_cannot_be_written_names_the_file(composed, tmp_path, monkeypatch, name):
    trainer = DistributedTrainer(composed("total_steps=100"))
    if name == "metrics.jsonl":
        (tmp_path / "run" / name).mkdir(parents=True)
    failing_once(monkeypatch, "write_text", lambda path: path.name == name)
    with pytest.raises(OSError, match="error|directory") as told:
        trainer.train()
    assert Path(told.value.filename).stem == Path(name).stem


def test_a_folder_that_was_removed_is_made_again(composed, tmp_path, monkeypatch):
    trainer = DistributedTrainer(composed("total_steps=400", "checkpoint_interval=200"))
    save, removed = trainer.save, []

    def remove_and_save():
        if not removed:
            removed.append(shutil.rmtree(trainer.folder.path))
        return save()

    monkeypatch.setattr(trainer, "save", remove_and_save)
    with pytest.warns(RunWarning, match="was removed while it was in use"):
        trainer.train()
    assert evaluate_run(tmp_path / "run", 2, 0)["episodes"] == 2


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(composed, tmp_path, monkeypatch):
    """After a power cut there is a whole one or none."""
    trainer, seen = DistributedTrainer(composed("total_steps=100", "checkpoint_interval=1000")), []

    def fsync(descriptor):
        target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if "checkpoints" in target.parts:
            seen.append((target.name, [path.name for path in list_checkpoints(RunFolder(tmp_path / "run"))]))

    monkeypatch.setattr(os, "fsync", fsync)
    trainer.train()
    (name,) = [path.name for path in list_checkpoints(RunFolder(tmp_path / "run"))]
    assert seen == [(name.replace(".pt", ".partial"), []), ("checkpoints", [name])]


def test_a_gpu_does_not_draw_again_what_it_has_drawn(composed, monkeypatch):
    seeds = []
    DistributedTrainer(composed("total_steps=100")).train()
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    for seed in (1, 2):
        for _ in range(2):
            DistributedTrainer(composed("total_steps=300", "resume=true", f"seed={seed}"))
    begun, resumed = seeds[::2], seeds[1::2]
    assert len(seeds) == 8 and not set(begun) & set(resumed)
    assert resumed[0] == resumed[1]


def test_weights_that_are_not_finite_are_not_saved_as_the_best(composed, tmp_path):
    trainer = DistributedTrainer(composed("total_steps=400"))
    trainer.train()
    with torch.no_grad():
        trainer.agent.learner.learner.critic.weight[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match="learner.lr"):
        save_best(trainer.folder, trainer.agent.learner, trainer.clock, 1.0, 500.0)
    assert best_return(trainer.folder) == -math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_not_saved(composed, tmp_path, value):
    trainer = DistributedTrainer(composed("total_steps=400"))
    trainer.train()
    before = list_checkpoints(RunFolder(tmp_path / "run"))
    with torch.no_grad():
        trainer.agent.learner.learner.critic.weight[0, 0] = value
    trainer.clock.steps += 1000
    with pytest.raises(FloatingPointError, match=r"not finite after \d+ updates.*learner.lr"):
        trainer.save()
    assert list_checkpoints(RunFolder(tmp_path / "run")) == before


@pytest.mark.parametrize(("value", "is_warned"), [(9e5, False), (-1.1e6, True), (1e30, True)])
def test_weights_of_a_run_that_has_diverged_are_saved_with_a_warning(composed, recwarn, value, is_warned):
    trainer = DistributedTrainer(composed("total_steps=400"))
    trainer.train()
    with torch.no_grad():
        trainer.agent.learner.learner.critic.weight[0, 0] = value
    trainer.save()
    lines = [str(warning.message) for warning in recwarn if "diverged" in str(warning.message)]
    assert lines == ["weights of the policy are larger than 1e+06, as in a run that has diverged; lower learner.lr or "
                     "learner.max_grad_norm"] * is_warned  # fmt: skip


def test_large_statistics_are_no_weights(composed, recwarn):
    trainer = DistributedTrainer(composed("total_steps=400", "normalize_observation=true"))
    trainer.train()
    for buffer in trainer.agent.learner.learner.buffers():
        buffer.fill_(1e12)
    trainer.save()
    assert not [warning for warning in recwarn if "diverged" in str(warning.message)]


def test_a_run_whose_weights_overflow_says_why_and_keeps_the_checkpoint_before(composed, tmp_path):
    """The gradient is finite, and a step of a huge learning rate is not."""
    DistributedTrainer(composed("total_steps=400")).train()
    before = list_checkpoints(RunFolder(tmp_path / "run"))
    trainer = DistributedTrainer(composed("resume=true", "learner.lr=1e38", "learner.max_grad_norm=inf"))
    with pytest.raises(FloatingPointError, match="learner.lr or learner.max_grad_norm"):
        trainer.train()
    assert list_checkpoints(RunFolder(tmp_path / "run")) == before
