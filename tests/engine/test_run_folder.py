"""Who may use a run folder, and when."""

import os
import subprocess
import sys

import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.plot import learning_curve
from hsuanwu.engine.replay import evaluate_run, load_agent
from hsuanwu.engine.run_folder import RunFolder, run_named, will_resume


def test_one_run_at_a_time_holds_it(composed, tmp_path):
    first, second = (DistributedTrainer(composed("total_steps=200")) for _ in range(2))
    assert first.folder.path == tmp_path / "run"
    with pytest.raises(ConfigurationError, match="in use by another run"):
        _ = second.folder
    with pytest.raises(ConfigurationError, match="in use by another run"):
        DistributedTrainer(composed("total_steps=200", "resume=auto"))
    first.train()
    DistributedTrainer(composed("total_steps=400", "resume=true")).train()


HOLDER = """
import sys
from pathlib import Path
from hsuanwu.engine.run_lock import RunLock

lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds ``tmp_path / "run"``."""
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", HOLDER, tmp_path / "run" / "run.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_named_and_a_killed_one_blocks_nobody(composed, holder):
    with pytest.raises(ConfigurationError, match=rf"in use by another run \(process {holder.pid} on .*another folder"):
        DistributedTrainer(composed("total_steps=200"))
    holder.kill()
    holder.wait()
    DistributedTrainer(composed("total_steps=200")).train()


def test_a_start_that_failed_does_not_take_the_folder(composed, tmp_path):
    trainer = DistributedTrainer(composed("total_steps=200"))
    assert trainer.folder.config.exists()
    trainer.folder.release()
    DistributedTrainer(composed("total_steps=200", "seed=2")).train()
    with pytest.raises(ConfigurationError, match="holds another run"):
        DistributedTrainer(composed("total_steps=200", "seed=3"))


def test_one_command_begins_goes_on_and_ends(composed):
    steps = []
    for total in (300, 600, 600):
        trainer = DistributedTrainer(composed("resume=auto", f"total_steps={total}"))
        before = trainer.clock.steps
        trainer.train()
        steps.append((before, trainer.clock.steps))
    (first, one), (second, two), (third, three) = steps
    assert first == 0 and second == one >= 300 and third == two == three >= 600


def test_auto_needs_a_folder(composed):
    with pytest.raises(ConfigurationError, match="resume: found auto, but run_dir=null"):
        DistributedTrainer(composed("resume=auto", "run_dir=null"))


@pytest.mark.parametrize("value", ["maybe", "1", "True "])
def test_another_word_is_refused(composed, value):
    with pytest.raises(ConfigurationError, match="resume: found .*; use one of auto, true, false"):
        DistributedTrainer(composed(f"resume='{value}'"))


def test_jobs_of_a_sweep_that_goes_on_begin_where_they_were_never_begun(composed, tmp_path):
    there, new, elsewhere = tmp_path / "sweep" / "0", tmp_path / "sweep" / "1", tmp_path / "other" / "0"
    DistributedTrainer(composed("total_steps=200", f"run_dir={there}")).train()
    assert will_resume(composed("resume=true", f"run_dir={there}"), of_sweep=True)
    assert not will_resume(composed("resume=true", f"run_dir={new}"), of_sweep=True)
    assert will_resume(composed("resume=true", f"run_dir={elsewhere}"), of_sweep=True)  # and is refused


def test_what_a_killed_run_was_writing_is_removed(composed, tmp_path):
    DistributedTrainer(composed("total_steps=200")).train()
    folder = RunFolder(tmp_path / "run")
    left = [folder.checkpoints / "step_000000000007.partial", folder.checkpoints / "best.partial"]
    left += [folder.path / "config.partial", folder.path / "metrics.partial", folder.path / "SHA256SUMS.partial"]
    mine = folder.path / "thesis.partial"
    for path in [*left, mine]:
        path.write_text("half")
    DistributedTrainer(composed("total_steps=400", "resume=true")).train()
    assert [path for path in [*left, mine] if path.exists()] == [mine]


@pytest.mark.parametrize(
    "name", ["checkpoints", "learning_curve.png", "config.partial", "metrics.jsonl", "SHA256SUMS", "run.lock"]
)
def test_nothing_is_written_through_a_link(composed, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "step_000000000001.pt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(outside if name == "checkpoints" else outside / "step_000000000001.pt")
    with pytest.raises(ConfigurationError, match=f"run_dir: .*{name} is a link to .*outside of the run folder"):
        DistributedTrainer(composed("total_steps=200"))
    assert [path.read_text() for path in outside.iterdir()] == ["mine"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == [name]


def test_a_run_folder_may_be_a_link_itself(composed, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    DistributedTrainer(composed("total_steps=200")).train()
    assert (tmp_path / "disk" / "config.yaml").exists()
    DistributedTrainer(composed("total_steps=400", "resume=true")).train()


def test_who_names_a_checkpoint_means_its_run(composed, tmp_path):
    DistributedTrainer(composed("total_steps=400", "checkpoint_interval=100")).train()
    run = tmp_path / "run"
    first, *_, last = sorted((run / "checkpoints").glob("step_*.pt"))
    play = {path: evaluate_run(path, 2, 0)["episode_return"] for path in (run, run / "checkpoints", first, last)}
    assert play[run] == play[run / "checkpoints"] == play[last]
    assert load_agent(*run_named(first)[:1], checkpoint=first.name)[0].learner.learner is not None
    with pytest.raises(ConfigurationError, match="step_7.pt: cannot be read"):
        evaluate_run(run / "checkpoints" / "step_7.pt", 2, 0)


NO_FOLDERS = [
    ("file", "is no folder"),
    ("file.pt", "is no folder"),
    ("pipe", "is no folder"),
    ("file/run", "Not a directory"),
    ("x" * 300, "File name too long"),
]


@pytest.mark.parametrize(("path", "reason"), NO_FOLDERS)
def test_a_path_that_can_be_no_folder_is_one_line(composed, tmp_path, path, reason):
    (tmp_path / "file").write_text("")
    (tmp_path / "file.pt").write_text("")
    os.mkfifo(tmp_path / "pipe")
    place = tmp_path / path
    line = f"(RUN_DIR|run_dir): .*{reason}.*; choose another path$"
    for resume in ("false", "true", "auto"):
        with pytest.raises(ConfigurationError, match=line) as caught:
            DistributedTrainer(composed(f"run_dir={place}", f"resume={resume}"))
        assert len(str(caught.value)) < 300
    with pytest.raises(ConfigurationError, match=line):
        evaluate_run(place, 1, 0)
    with pytest.raises(ConfigurationError, match=line):
        learning_curve([place], tmp_path / "curve.png")
