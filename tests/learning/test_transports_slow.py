"""Where the actors run does not change what is learnt."""

import json
import statistics
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SEEDS = range(1, 11)
# as many environments in all, and few enough steps that returns still differ
COMMON = ["experiment=impala_cartpole", "total_steps=40_000", "num_actors=4", "envs_per_actor=4"]


def returns(transport, folder):
    found = []
    for seed in SEEDS:
        run_dir = folder / f"{transport}{seed}"
        arguments = [*COMMON, f"transport={transport}", f"seed={seed}", f"run_dir={run_dir}"]
        command = [sys.executable, "-c", "from hsuanwu.cli import train; train()", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = (run_dir / "metrics.jsonl").read_text().splitlines()
        found.append(json.loads(lines[-1])["eval_episode_return"])
    return found


def standard_error(values):
    return statistics.stdev(values) / len(values) ** 0.5


def test_four_processes_learn_what_one_learns(tmp_path):
    local, process = returns("local", tmp_path), returns("process", tmp_path)
    means = [statistics.mean(values) for values in (local, process)]
    error = (standard_error(local) ** 2 + standard_error(process) ** 2) ** 0.5
    print(f"local {means[0]:.1f}, process {means[1]:.1f}, standard error of the difference {error:.1f}")
    assert error > 0, "all runs alike: nothing could be told apart"
    assert abs(means[0] - means[1]) <= 2 * error
