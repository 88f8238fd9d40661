"""However a run ends, nothing is left of it: no process, no shared memory; and what was learnt is on disk."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hsuanwu.runtime import fork_server
from tests.processes import group_members, shared_files, wait_for_empty_group
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")

ROOT = Path(__file__).parents[1]
TRAIN = [sys.executable, "-c", "from hsuanwu.cli import train; train()", "transport=process", "eval_episodes=0"]
FRAGILE = [
    "env=gymnasium",
    "env.id=CartPole-v1",
    "env.wrappers=[{path: tests.engine.fragile.Fragile, kwargs: {steps: 100}}]",
]
ENDINGS = {
    "normal": (["total_steps=3000"], None, 0),
    "exception": (FRAGILE, None, 1),
    "interrupt": ([], signal.SIGINT, 130),
    "terminate": ([], signal.SIGTERM, 143),
}


def start(*arguments):
    """Start training in a session of its own, so that Ctrl-C reaches it and its actors alone."""
    return subprocess.Popen(
        [*TRAIN, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end_once(ending, run_dir):
    arguments, number, expected = ENDINGS[ending]
    with start(*arguments, f"run_dir={run_dir}") as run:
        if number is not None:
            wait_for_metrics(run_dir, run)
            # a terminal sends Ctrl-C to every process of the group
            os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
        _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == expected, err
    wait_for_empty_group(run.pid)
    assert shared_files(run.pid) == []
    assert list(run_dir.glob("checkpoints/step_*.pt")) and not list(run_dir.glob("**/*.partial"))
    if ending == "exception":
        assert "broken on purpose" in err
    elif number is not None:
        assert err.startswith("error: ") and err.count("\n") == 1, err


def wait_for_metrics(run_dir, run):
    metrics = run_dir / "metrics.jsonl"
    wait_for_state(run, lambda: metrics.exists() and metrics.stat().st_size, "metrics")


def wait_for_state(run, is_reached, what):
    """Return when a run is so far; one that ends before is a failure."""

    def look():
        if is_reached():
            return True
        assert run.poll() is None, f"the run ended with status {run.poll()} before there were {what}"
        return False

    wait_until(look, what)


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left(ending, tmp_path):
    end_once(ending, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_twenty_times(ending, tmp_path):
    for attempt in range(20):
        end_once(ending, tmp_path / f"run{attempt}")


def test_nothing_is_left_of_a_run_that_is_killed(tmp_path):
    """Nothing of it can run any more, yet its actors and what they were forked from end."""
    with start(f"run_dir={tmp_path / 'run'}") as run:
        wait_for_metrics(tmp_path / "run", run)
        members = group_members(run.pid)
        assert len(members) >= 3
        run.kill()
        run.wait(PATIENCE)
        wait_for_empty_group(run.pid)
    assert shared_files(*members) == []


@pytest.mark.parametrize("num_processes", [1, 3, 4, *[5] * fork_server._CAN_FORK])
def test_interrupted_at_once(num_processes, tmp_path):
    """Ctrl-C while processes start: the learner, two that belong to the fork server, one actor, and another one."""
    with start(f"run_dir={tmp_path / 'run'}", "num_actors=2", "envs_per_actor=8") as run:
        wait_for_state(run, lambda: len(group_members(run.pid)) >= num_processes, f"{num_processes} processes")
        os.killpg(run.pid, signal.SIGINT)
        run.communicate(timeout=PATIENCE)
    assert run.returncode != 0
    wait_for_empty_group(run.pid)
