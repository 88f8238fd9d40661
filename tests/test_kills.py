"""A run that is killed at any moment, again and again, and put back by the same command."""

import json
import os
import random
import subprocess

import pytest
import torch

from tests.processes import shared_files, wait_for_empty_group
from tests.test_faults import start, wait_for_state
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc"),
    pytest.mark.slow,
]

KILLS = int(os.environ.get("KILLS", "12"))
SETTINGS = ["num_actors=1", "envs_per_actor=4", "batch_size=8", "learner_threads=1", "overlap=false"]
SETTINGS += ["precision=float32", "log_interval=200", "checkpoint_interval=300", "resume=auto"]


def newest(folder):
    """Return the steps of the newest checkpoint that is whole, as a start would find it; 0 where there is none."""
    paths = sorted(folder.glob("checkpoints/step_*.pt"))
    return torch.load(paths[-1], weights_only=True)["steps"] if paths else 0


def events(folder):
    """Return moments, by name: each a function that says whether it has come."""
    metrics, checkpoints = folder / "metrics.jsonl", folder / "checkpoints"
    size = metrics.stat().st_size if metrics.exists() else 0
    saved = set(checkpoints.glob("*.pt"))

    def lines(count):
        return lambda: metrics.exists() and metrics.stat().st_size > size + 300 * count

    return {
        "the start": lambda: True,
        "a folder that is held": (folder / "run.lock").exists,
        "lines": lines(1),
        "more lines": lines(10),
        "a checkpoint that is being written": lambda: any(checkpoints.glob("*.partial")),
        "a checkpoint": lambda: set(checkpoints.glob("*.pt")) - saved,
    }


def test_a_run_that_is_killed_again_and_again_goes_on_from_what_it_had(tmp_path):
    folder, chance, reached = tmp_path / "run", random.Random(1), 0
    for _ in range(KILLS):
        with start(*SETTINGS, f"run_dir={folder}", "total_steps=1_000_000_000") as run:
            what, has_come = chance.choice(list(events(folder).items()))
            wait_for_state(run, has_come, what)
            try:
                run.wait(chance.random() * chance.choice([0.002, 0.05, 1.0]))  # any moment after it is as good
            except subprocess.TimeoutExpired:
                run.kill()
            _, err = run.communicate(timeout=PATIENCE)
        assert run.returncode == -9, (what, err)
        wait_for_empty_group(run.pid)
        assert shared_files(run.pid) == [], what
        now = newest(folder)
        assert now >= reached, what
        reached = now
    with start(*SETTINGS, f"run_dir={folder}", f"total_steps={reached + 1000}") as run:
        _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, err
    assert newest(folder) >= reached + 1000 and not list(folder.rglob("*.partial"))
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)), "what was younger than the checkpoint is gone, and nothing is there twice"
