"""The trainer: what it leaves behind, that it repeats itself, and that it goes on where it stopped."""

import json
import math
import multiprocessing
from itertools import combinations
from pathlib import Path

import pytest
import torch
import yaml

from hsuanwu.common.errors import ConfigurationError, EnvironmentFault, EnvironmentWarning
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.batches import DirectBatches
from hsuanwu.engine.checkpoint import list_checkpoints
from hsuanwu.engine.run_folder import RunFolder
from tests.engine.counted import Counted

TIMED = ("second", "updates_per")


def read_metrics(run_dir):
    return [json.loads(line) for line in (Path(run_dir) / "metrics.jsonl").read_text().splitlines()]


def untimed(lines):
    return [{k: v for k, v in line.items() if not any(word in k for word in TIMED)} for line in lines]


def test_run_folder(composed, tmp_path, capsys):
    trainer = DistributedTrainer(composed("log_interval=200"))
    assert not (tmp_path / "run").exists(), "nothing is written before training"
    summary = trainer.train()
    run = tmp_path / "run"
    assert summary["run_dir"] == str(run) and summary["steps"] >= 1200
    assert yaml.safe_load((run / "config.yaml").read_text())["learner"]["lr"] == 6e-4
    assert list(run.glob("events.*"))
    (line,) = (run / "model.txt").read_text().splitlines()
    assert line == "Encoder: mlp, 8 features of 4 numbers, as they are"
    assert line in capsys.readouterr().out.splitlines()
    lines = read_metrics(run)
    assert lines[-1]["step"] == summary["steps"]
    for key in ("loss", "entropy", "gradient_norm", "explained_variance", "rho", "rho_clipped_fraction", "policy_lag"):
        assert all(math.isfinite(line[key]) for line in lines), key
    for key in ("steps_per_second", "actor_steps_per_second", "learner_steps_per_second", "learner_wait_seconds"):
        assert lines[-1][key] >= 0, key
    episodes = (run / "episodes.csv").read_text().splitlines()
    assert episodes[0] == "step,episode_return,episode_length"
    assert len(episodes) - 1 == sum(line["episodes"] for line in lines) > 10
    state = torch.load(list_checkpoints(RunFolder(run))[-1], weights_only=True)
    assert state["steps"] == summary["steps"]
    evaluation = trainer.test(episodes=3).to_dict()
    assert evaluation["episodes"] == 3 and evaluation["episode_return"]["min"] > 0


def test_a_batch_is_used_as_often_as_asked(composed, tmp_path):
    """Without lag from elsewhere: the passes over a batch are 0, 1 and 2 updates behind, its steps count once."""
    once, thrice = (
        DistributedTrainer(composed(f"run_dir={tmp_path / str(n)}", f"updates_per_batch={n}")) for n in (1, 3)
    )
    expected, found = once.train(), thrice.train()
    assert found["updates"] == 3 * expected["updates"] and 1200 <= found["steps"] < 1200 + 8 * 10
    for line in read_metrics(tmp_path / "1"):
        assert line["policy_lag_max"] == 0
    lines = read_metrics(tmp_path / "3")
    assert all(line["policy_lag"] == 1 and line["policy_lag_max"] == 2 for line in lines)
    assert lines[-1]["step"] == found["steps"] and lines[-1]["updates"] == found["updates"]


def test_local_repeats_itself_to_the_bit(composed, tmp_path):
    runs = []
    for name in ("a", "b"):
        DistributedTrainer(composed(f"run_dir={tmp_path / name}", "log_interval=100")).train()
        runs.append(untimed(read_metrics(tmp_path / name)))
    assert runs[0] == runs[1] and len(runs[0]) > 5
    DistributedTrainer(composed(f"run_dir={tmp_path / 'c'}", "log_interval=100", "seed=2")).train()
    assert untimed(read_metrics(tmp_path / "c")) != runs[0]


def test_process_transport_trains_and_leaves_nothing(composed):
    trainer = DistributedTrainer(composed("transport=process", "log_interval=200"))
    trainer.train()
    assert multiprocessing.active_children() == []
    assert all(line["policy_lag"] >= 0 for line in read_metrics(trainer.folder.path))


def test_resume_goes_on(composed):
    first = DistributedTrainer(composed("total_steps=600", "log_interval=200"))
    first.train()
    with first.folder.metrics.open("a") as file:
        file.write('{"step": 99999, "loss": 1}\n{"step": 100')  # what a run that was killed leaves
    second = DistributedTrainer(composed("total_steps=1200", "log_interval=200", "resume=true"))
    assert second.clock.steps == first.clock.steps and second.clock.updates == first.clock.updates
    for name, weight in first.agent.learner.learner.state_dict().items():
        assert torch.equal(weight, second.agent.learner.actor.state_dict()[name])
    second.train()
    steps = [line["step"] for line in read_metrics(second.folder.path)]
    assert steps == sorted(steps) and steps[-1] == second.clock.steps >= 1200


def test_a_run_that_goes_on_does_not_see_its_beginning_again(composed, monkeypatch):
    taken, right = [], DirectBatches.next

    def take(batches):
        taken.append(right(batches))
        return taken[-1]

    monkeypatch.setattr(DirectBatches, "next", take)
    beginnings = []
    for total_steps in (100, 200, 300):
        taken.clear()
        DistributedTrainer(composed(f"total_steps={total_steps}", f"resume={bool(beginnings)}")).train()
        beginnings.append(taken[0].observation[0].clone())
    for one, other in combinations(beginnings, 2):
        assert not (one == other).all(-1).any(), "an episode begins as another one did"


def test_steps_are_those_that_environments_have_taken(composed, monkeypatch):
    """The rows in which they ignore an action to begin anew are none."""
    wrapper = "env.wrappers=[tests.engine.counted.Counted]"
    trainer = DistributedTrainer(composed("env=gymnasium", "env.id=CartPole-v1", wrapper, "log_interval=100"))
    monkeypatch.setattr(Counted, "num_steps", 0)  # those of the first look do not count
    summary = trainer.train()
    assert summary["steps"] == Counted.num_steps
    lines = read_metrics(trainer.folder.path)
    assert sum(line["episodes"] for line in lines) > 10, "there are such rows"
    assert lines[-1]["step"] == Counted.num_steps
    steps = sum(line["steps_per_second"] * line["window_seconds"] for line in lines)
    assert steps == pytest.approx(Counted.num_steps)


def test_a_run_that_died_before_its_first_checkpoint_begins_again(composed):
    first = DistributedTrainer(composed("total_steps=600"))
    first.folder.metrics.write_text('{"step": 100, "loss": 1}\n')
    first.folder.release()
    second = DistributedTrainer(composed("total_steps=600", "resume=true"))
    assert second.clock.steps == 0
    second.train()
    assert [line["step"] for line in read_metrics(second.folder.path)][-1] >= 600


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["feature_dim=16"], "resume: .* another network"),
        (["learner.optimizer=Adam"], "resume: .* another optimizer"),
    ],
)
def test_resume_refuses_another_agent(composed, overrides, message):
    DistributedTrainer(composed("total_steps=100")).train()
    with pytest.raises(ConfigurationError, match=message):
        DistributedTrainer(composed("resume=true", *overrides))


def test_refuses_the_folder_of_another_run(composed):
    DistributedTrainer(composed("total_steps=100")).train()
    with pytest.raises(ConfigurationError, match="run_dir: .* holds another run"):
        DistributedTrainer(composed())


def test_trains_once(composed):
    trainer = DistributedTrainer(composed("total_steps=100"))
    trainer.train()
    with pytest.raises(RuntimeError, match="once"):
        trainer.train()


@pytest.mark.parametrize("transport", ["local", "process"])
def test_an_exception_in_an_environment_is_told_and_the_weights_are_kept(composed, transport):
    cfgs = composed(
        f"transport={transport}",
        "env=gymnasium",
        "env.id=CartPole-v1",
        "env.wrappers=[{path: tests.engine.fragile.Fragile, kwargs: {steps: 100}}]",
        "total_steps=100_000",
    )
    trainer = DistributedTrainer(cfgs)
    with pytest.raises(EnvironmentFault, match="(?s)^env CartPole-v1, actor ., environment .*broken on purpose"):
        trainer.train()
    assert multiprocessing.active_children() == []
    assert list_checkpoints(trainer.folder)


def test_a_second_interrupt_does_not_cost_the_weights(composed):
    trainer = DistributedTrainer(composed("checkpoint_interval=100_000"))
    transport = trainer._runtime.transport
    close = transport.close

    def interrupted():
        close()
        raise KeyboardInterrupt

    transport.close = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert list_checkpoints(trainer.folder)


def test_episodes_that_begin_with_random_actions_are_not_counted(composed):
    overrides = ["env=pendulum", "env.native_vector=false", "env.kwargs.max_episode_steps=20", "stagger_steps=20"]
    trainer = DistributedTrainer(composed(*overrides, "eval_episodes=1"))
    trainer.train()
    lengths = [int(row.split(",")[2]) for row in trainer.folder.episodes.read_text().splitlines()[1:]]
    assert len(lengths) > 20 and set(lengths) == {20}


def test_an_environment_that_contradicts_its_space_is_told_before_anything_is_written(composed, tmp_path):
    overrides = ["env=gymnasium", "env.id=CartPole-v1", "env.wrappers=[tests.engine.fragile.Longer]"]
    with pytest.raises(ConfigurationError, match=r"\(5,\)"):
        DistributedTrainer(composed(*overrides))
    overrides[-1] = "env.wrappers=[tests.engine.fragile.NeverBegins]"
    with pytest.raises(EnvironmentFault, match="broken on purpose"):
        DistributedTrainer(composed(*overrides))
    overrides[-1] = "env.wrappers=[tests.engine.fragile.CannotBeClosed]"
    with pytest.warns(EnvironmentWarning, match="close raised .*broken on purpose"):
        DistributedTrainer(composed(*overrides))
    assert not (tmp_path / "run").exists()


def test_missing_run_keys_take_the_shipped_values(composed):
    cfgs = composed()
    del cfgs.__dict__["_content"]["log_interval"]
    assert DistributedTrainer(cfgs).cfgs.log_interval is None


def test_a_plain_dict_will_do(composed):
    from omegaconf import OmegaConf

    trainer = DistributedTrainer(OmegaConf.to_container(composed("total_steps=100")))
    assert trainer.train()["steps"] >= 100
