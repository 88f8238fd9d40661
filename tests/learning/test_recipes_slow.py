"""The recipes, run from the command line as they are shipped: returns that they reach, and that they run at all."""

import json
import math
import os
import signal
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import torch

from tests.waiting import PATIENCE, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
NUM_LINES = 20
RECIPES = sorted(path.name.removesuffix(".yaml") for path in (resources.files("hsuanwu.cfgs") / "experiment").iterdir())
EXTRAS = {"breakout": "ale_py", "pong": "ale_py", "dmc": "dm_control", "lunarlander": "Box2D"}
EXTRAS |= {"minatar": "minatar", "minigrid": "minigrid"}


def command(name, *arguments):
    """Return one of the three commands as a program and its arguments."""
    return [sys.executable, "-c", f"from hsuanwu.cli import {name}; {name}()", *map(str, arguments)]


def run(*arguments):
    result = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def evaluation(run_dir, *arguments):
    return json.loads(run("evaluate", run_dir, "--json", *arguments))


def read_metrics(run_dir):
    return [json.loads(line) for line in (Path(run_dir) / "metrics.jsonl").read_text().splitlines()]


def num_metrics(run_dir):
    metrics = Path(run_dir) / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def reached(recipe, run_dir, *overrides):
    """Train by a recipe; return the mean return over 100 episodes and the steps that were taken."""
    run("train", f"experiment={recipe}", f"run_dir={run_dir}", *overrides)
    result = evaluation(run_dir, "--episodes", 100)
    assert result["episodes"] == 100
    mean, steps = result["episode_return"]["mean"], read_metrics(run_dir)[-1]["step"]
    print(f"{recipe} {' '.join(overrides)}: return {mean:.1f} after {steps:,} steps")
    return mean, steps


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cartpole(tmp_path, seed):
    mean, steps = reached("impala_cartpole", tmp_path / "run", f"seed={seed}")
    assert mean >= 475 and steps <= 300_000


def test_cartpole_without_velocities(tmp_path):
    mean, steps = reached("impala_cartpole_memory", tmp_path / "run")
    assert mean >= 350 and steps <= 2_005_000


def train_and_interrupt(recipe, run_dir, num_lines):
    """Train by a recipe without end, and press Ctrl-C when it has written so many lines of metrics."""
    arguments = [f"experiment={recipe}", f"run_dir={run_dir}", "total_steps=1_000_000_000", "log_interval=1000"]
    if recipe.endswith("_gpu") and not torch.cuda.is_available():
        arguments += ["device=cpu", "batch_size=32"]
    with subprocess.Popen(
        command("train", *arguments),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as training:
        for count in range(1, num_lines + 1):
            wait_until(
                lambda count=count: num_metrics(run_dir) >= count or training.poll() is not None,
                f"line {count} of the metrics",
            )
        if training.poll() is None:
            os.killpg(training.pid, signal.SIGINT)
        _, err = training.communicate(timeout=PATIENCE)
    assert training.returncode == 128 + signal.SIGINT, err
    # MuJoCo has complaints of its own about dm_control's models, one for each environment
    ours = [line for line in err.splitlines() if not line.startswith("WARNING:absl:")]
    assert len(ours) == 1 and ours[0].startswith("error: interrupted"), err


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_beginning_of_each_recipe(tmp_path, recipe):
    for word in recipe.split("_"):
        pytest.importorskip(EXTRAS.get(word, "hsuanwu"))
    run_dir = tmp_path / "run"
    train_and_interrupt(recipe, run_dir, NUM_LINES)
    lines = [line for line in read_metrics(run_dir) if "eval_episodes" not in line]
    assert lines
    for line in lines:
        for key in ("loss", "policy_loss", "baseline_loss", "entropy_loss", "gradient_norm", "value"):
            # what is not finite is written as null
            assert isinstance(line[key], float) and math.isfinite(line[key]), f"{key} at step {line['step']}"
    print(f"{recipe}: {lines[-1]['step']:,} steps, loss {lines[-1]['loss']:.4g}")
    result = evaluation(run_dir, "--episodes", 2)
    assert result["episodes"] == 2 and all(math.isfinite(x) for x in result["episode_return"].values())
    assert "return: mean" in run("evaluate", run_dir, "--episodes", 2)
    if recipe == "impala_pong":
        check_video(result_of_video(run_dir, tmp_path / "video"))


def result_of_video(run_dir, folder):
    result = evaluation(run_dir, "--episodes", 1, "--stochastic", "--video", folder)
    path = Path(result["video"])
    assert path.parent == folder
    return path


def check_video(path):
    imageio = pytest.importorskip("imageio.v2")
    with imageio.get_reader(path) as reader:
        frames = [frame for _, frame in zip(range(200), reader, strict=False)]
    assert len(frames) > 100 and frames[0].ndim == 3 and frames[0].shape[-1] == 3
    assert any((frame != frames[0]).any() for frame in frames[1:])
