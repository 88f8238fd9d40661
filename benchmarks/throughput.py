"""Environment steps per second of whole training, for the shipped recipes: medians over several runs.

    make bench                                                  # the four bench_* recipes, five runs each
    python benchmarks/throughput.py --runs 3 impala_pong_deep --overrides num_actors=1

``steady`` counts from the end of the first third of ``metrics.jsonl`` to the last line, ``whole`` from the start of
the actors to the end of training.
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
from dataclasses import dataclass
from pathlib import Path

import torch

RECIPES = ["bench_cartpole", "bench_cartpole_python", "bench_pong", "bench_pong_deep"]


@dataclass(frozen=True)
class Speed:
    """What one run showed.

    Attributes:
        steady: environment steps per second, start-up left out.
        whole: environment steps per second, start-up included.
        lag: mean policy lag in updates, start-up left out.
    """

    steady: float
    whole: float
    lag: float


def main() -> None:
    """Run each recipe in turn, as often as asked, and print a table."""
    arguments = parsed_arguments(__doc__, RECIPES)
    speeds: dict[str, list[Speed]] = {recipe: [] for recipe in arguments.recipes}
    for _ in range(arguments.runs):
        for recipe in arguments.recipes:
            speeds[recipe].append(run(recipe, arguments.overrides))
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, Python {platform.python_version()}")
    print("| recipe | steady steps/s | range | whole steps/s | policy lag | runs |\n|---|---:|---:|---:|---:|---:|")
    for recipe, found in speeds.items():
        steady = [speed.steady for speed in found]
        whole, lag = (statistics.median(getattr(speed, name) for speed in found) for name in ("whole", "lag"))
        print(
            f"| `{recipe}` | {statistics.median(steady):,.0f} | {min(steady):,.0f} to {max(steady):,.0f} "
            f"| {whole:,.0f} | {lag:.1f} | {len(found)} |"
        )


def parsed_arguments(description: str | None, recipes: list[str]) -> argparse.Namespace:
    """Return what the command line asks for: ``recipes`` if it names none, ``runs`` and ``overrides``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=recipes)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--overrides", nargs="*", default=[], help="passed on to hsuanwu-train")
    return parser.parse_args()


def measure(recipe: str, overrides: list[str]) -> tuple[float, float]:
    """Train once and return (steady, whole) steps per second."""
    speed = run(recipe, overrides)
    return speed.steady, speed.whole


def run(recipe: str, overrides: list[str]) -> Speed:
    """Train once by a recipe and return what the log says."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        command = [sys.executable, "-c", "from hsuanwu.cli import train; train()"]
        command += [f"experiment={recipe}", f"run_dir={run_dir}", "eval_episodes=0", "eval_interval=null"]
        subprocess.run([*command, *overrides], check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    start = len(lines) // 3  # lines of start-up; where there are few lines, none can be left out
    late, before = lines[start:], lines[start - 1]["step"] if start else 0
    return Speed(
        steady=(late[-1]["step"] - before) / sum(line["window_seconds"] for line in late),
        whole=lines[-1]["step"] / sum(line["window_seconds"] for line in lines),
        lag=statistics.mean(line["policy_lag"] for line in late),
    )


def length(steps: int) -> list[str]:
    """Return the overrides for a run of so many steps, and some lines of log."""
    return [f"total_steps={steps}", f"log_interval={max(1, steps // 12)}"]


if __name__ == "__main__":
    main()
