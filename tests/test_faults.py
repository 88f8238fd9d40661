"""However a run ends, nothing is left of it: no process, no shared memory; and what was learnt is on disk."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


def assert_group_is_empty(group):
    """Python's own resource tracker ends a moment after its parent; nothing else may be there."""
    deadline = time.monotonic() + 2
    while group_members(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert group_members(group) == []


def group_members(group):
    """Return the processes of a process group that are not zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


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
    before = set(os.listdir("/dev/shm"))
    with start(*arguments, f"run_dir={run_dir}") as run:
        if number is not None:
            wait_for_metrics(run_dir, run)
            # a terminal sends Ctrl-C to every process of the group
            os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
        _, err = run.communicate(timeout=60)
    assert run.returncode == expected, err
    assert_group_is_empty(run.pid)
    assert set(os.listdir("/dev/shm")) <= before
    assert list(run_dir.glob("checkpoints/step_*.pt")) and not list(run_dir.glob("**/*.partial"))
    if ending == "exception":
        assert "broken on purpose" in err
    elif number is not None:
        assert err.startswith("error: ") and err.count("\n") == 1, err


def wait_for_metrics(run_dir, run=None):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (run is None or run.poll() is None):
        metrics = run_dir / "metrics.jsonl"
        if metrics.exists() and metrics.stat().st_size:
            return
        time.sleep(0.02)
    raise AssertionError("the run did not begin")


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
    before = set(os.listdir("/dev/shm"))
    with start(f"run_dir={tmp_path / 'run'}") as run:
        wait_for_metrics(tmp_path / "run", run)
        assert len(group_members(run.pid)) >= 3
        run.kill()
        run.wait(10)
        assert_group_is_empty(run.pid)
    assert set(os.listdir("/dev/shm")) <= before


def test_interrupted_at_once(tmp_path):
    """Ctrl-C while the processes start."""
    for delay in (0.2, 0.6, 1.0, 1.4, 2.0):
        with start(f"run_dir={tmp_path / str(delay)}") as run:
            time.sleep(delay)
            os.killpg(run.pid, signal.SIGINT)
            run.communicate(timeout=60)
        assert run.returncode != 0
        assert_group_is_empty(run.pid)
