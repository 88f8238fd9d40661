"""Environment steps per second of whole training, for the shipped recipes: medians over several runs.

    python benchmarks/throughput.py                     # impala_cartpole and impala_pong, five runs each
    python benchmarks/throughput.py --runs 3 impala_pong_deep --overrides num_actors=1

``steady`` counts from the first line of ``metrics.jsonl`` to the last, ``whole`` from the start of the actors'
processes to the end of training.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

STEPS = {"impala_cartpole": 1_000_000, "impala_pong": 40_000, "impala_pong_deep": 6_000}
DEFAULT_STEPS = 100_000


def main() -> None:
    """Run each recipe in turn, as often as asked, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["impala_cartpole", "impala_pong"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--overrides", nargs="*", default=[], help="passed on to hsuanwu-train")
    arguments = parser.parse_args()
    speeds: dict[str, list[tuple[float, float]]] = {recipe: [] for recipe in arguments.recipes}
    for _ in range(arguments.runs):
        for recipe in arguments.recipes:
            speeds[recipe].append(measure(recipe, arguments.overrides))
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}")
    print(f"{'recipe':<24}{'steady steps/s':>16}{'whole steps/s':>16}{'runs':>6}   range of steady")
    for recipe, pairs in speeds.items():
        steady, whole = zip(*pairs, strict=True)
        print(
            f"{recipe:<24}{statistics.median(steady):>16,.0f}{statistics.median(whole):>16,.0f}{len(pairs):>6}"
            f"   {min(steady):,.0f} to {max(steady):,.0f}"
        )


def measure(recipe: str, overrides: list[str]) -> tuple[float, float]:
    """Train once and return (steady, whole) steps per second."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        steps = STEPS.get(recipe, DEFAULT_STEPS)
        command = [sys.executable, "-c", "from hsuanwu.cli import train; train()"]
        command += [f"experiment={recipe}", f"total_steps={steps}", f"run_dir={run_dir}", "eval_episodes=0"]
        subprocess.run([*command, *overrides], check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    seconds = [line["window_seconds"] for line in lines]
    steady = (lines[-1]["step"] - lines[0]["step"]) / sum(seconds[1:])
    return steady, lines[-1]["step"] / sum(seconds)


if __name__ == "__main__":
    main()
