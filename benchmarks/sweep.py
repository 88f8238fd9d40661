"""What ``auto`` reaches beside the best setting found by hand: a table for each recipe.

    python benchmarks/sweep.py                          # every recipe that is installed; half an hour
    python benchmarks/sweep.py bench_cartpole --runs 3

Tried are one process for all, and one and two actors with all or half of a batch's environments each, one and two
threads for the learner, float32 and bfloat16. Figures are steady steps per second, medians of ``--runs``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator

import throughput

# environment steps that take some seconds
STEPS = {
    "bench_cartpole": 4_000_000,
    "bench_cartpole_python": 700_000,
    "bench_pong": 20_000,
    "bench_pong_deep": 9_600,
    "impala_cartpole": 400_000,
    "impala_cartpole_memory": 120_000,
    "impala_pendulum": 160_000,
    "impala_dmc_cartpole": 24_000,
}
BATCH = {"bench_cartpole": 1024, "bench_cartpole_python": 256, "impala_cartpole": 16, "impala_dmc_cartpole": 16}
AUTO = "auto"
LOCAL = "transport=local"


def main() -> None:
    """Measure each setting of each recipe in turn and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(STEPS))
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    for recipe in arguments.recipes:
        steps = STEPS.get(recipe, 100_000)
        tried = dict(settings(BATCH.get(recipe, 32)))
        found: dict[str, list[throughput.Speed]] = {name: [] for name in tried}
        for _ in range(arguments.runs):
            for name, overrides in tried.items():
                common = [f"total_steps={steps}", f"log_interval={max(1, steps // 12)}"]
                try:
                    found[name].append(throughput.run(recipe, [*overrides, *common]))
                except subprocess.CalledProcessError as error:
                    print(f"{recipe} {name}: {error}", file=sys.stderr)
        print(table(recipe, found), flush=True)


def settings(batch: int) -> Iterator[tuple[str, list[str]]]:
    """Yield names of settings and the overrides that make them."""
    yield AUTO, []
    yield LOCAL, ["transport=local"]
    layouts = [(1, batch, 2), (2, batch, 1), (2, batch, 2), (2, batch // 2, 2)]
    for actors, envs, slots in layouts:
        for precision in ("float32", "bfloat16"):
            yield named(actors, envs, slots, precision, threads=1)
    for precision in ("float32", "bfloat16"):
        yield named(1, batch, 2, precision, threads=2)


def named(actors: int, envs: int, slots: int, precision: str, threads: int) -> tuple[str, list[str]]:
    """Return what a setting is called, and its overrides."""
    name = f"{actors} x {envs}, {slots} slots each, {precision}, {threads} threads"
    return name, [
        f"num_actors={actors}",
        f"envs_per_actor={envs}",
        f"storage.slots_per_actor={slots}",
        f"precision={precision}",
        f"learner_threads={threads}",
        "overlap=false",
    ]


def table(recipe: str, found: dict[str, list[throughput.Speed]]) -> str:
    """Return the figures of one recipe as a Markdown table, the fastest setting first."""
    speeds = {name: statistics.median(x.steady for x in runs) for name, runs in found.items() if runs}
    best = max(speed for name, speed in speeds.items() if name not in (AUTO, LOCAL))
    lines = [f"### `{recipe}`", "", "| actors x environments | steps/s | of the best | lag |", "|---|---:|---:|---:|"]
    for name in sorted(speeds, key=lambda name: -speeds[name]):
        lag = statistics.median(x.lag for x in found[name])
        lines.append(f"| {name} | {speeds[name]:,.0f} | {speeds[name] / best:.0%} | {lag:.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
