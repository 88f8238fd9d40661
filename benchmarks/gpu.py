"""Pong on a machine with a GPU: whole training, beside what the environments alone do on the same cores.

    python benchmarks/gpu.py             # five rounds of some 50 s for each recipe, most of it to build the games
    python benchmarks/gpu.py --runs 1 --overrides precision=bfloat16

In each round, one after the other: random actions in as many processes as there are cores, then each recipe.
"""

from __future__ import annotations

import multiprocessing
import platform
import statistics
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np
import throughput
import torch

from hsuanwu.engine.threads import num_cores
from hsuanwu.env import AtariEnvFactory

RECIPES = ["bench_pong_gpu", "bench_pong_deep_gpu"]
_SECONDS = 4.0
_NUM_ENVS = 16
_WARM_UPS = 10
_READY_SECONDS = 120.0


def main() -> None:
    """Run everything in turn, as often as asked, and print a table."""
    arguments = throughput.parsed_arguments(__doc__, RECIPES)
    alone: list[float] = []
    speeds: dict[str, list[throughput.Speed]] = {recipe: [] for recipe in arguments.recipes}
    for _ in range(arguments.runs):
        alone.append(environments_alone(num_cores()))
        print(f"environments alone: {alone[-1]:,.0f} steps/s", flush=True)
        for recipe, found in speeds.items():
            found.append(throughput.run(recipe, arguments.overrides))
            print(f"{recipe}: {found[-1].steady:,.0f} steps/s, {found[-1].steady / alone[-1]:.0%} of it", flush=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{device}, {num_cores()} cores, torch {torch.__version__}, Python {platform.python_version()}")
    print("| recipe | steps/s (median) | range | of the environments alone | policy lag | runs |")
    print("|---|---:|---:|---:|---:|---:|")
    print(f"| environments alone | {statistics.median(alone):,.0f} | {min(alone):,.0f} to {max(alone):,.0f} | | | |")
    for recipe, found in speeds.items():
        steady = [speed.steady for speed in found]
        share = statistics.median(speed / bound for speed, bound in zip(steady, alone, strict=True))
        lag = statistics.median(speed.lag for speed in found)
        print(
            f"| `{recipe}` | {statistics.median(steady):,.0f} | {min(steady):,.0f} to {max(steady):,.0f} "
            f"| {share:.0%} | {lag:.1f} | {len(found)} |"
        )


def environments_alone(num_processes: int) -> float:
    """Return the steps per second of Pong under random actions, in processes of one thread each, all at once."""
    context = multiprocessing.get_context("spawn")
    barrier, speeds = context.Barrier(num_processes), context.SimpleQueue()
    processes = [context.Process(target=_step, args=(seed, barrier, speeds)) for seed in range(num_processes)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f"an environment failed with exit status {process.exitcode}")
    return sum(speeds.get() for _ in processes)


def _step(seed: int, barrier: Barrier, speeds: Any) -> None:
    """Put the steps per second of one process into ``speeds``; nobody begins before all are ready."""
    env = AtariEnvFactory("pong")(_NUM_ENVS)
    env.reset(seed)
    actions = np.random.default_rng(seed).integers(0, 6, (64, _NUM_ENVS))
    for action in actions[:_WARM_UPS]:
        env.step(action)
    barrier.wait(_READY_SECONDS)
    steps, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < _SECONDS:
        env.step(actions[steps % len(actions)])
        steps += 1
    speeds.put(steps * _NUM_ENVS / seconds)


if __name__ == "__main__":
    main()
