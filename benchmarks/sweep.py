"""What ``auto`` reaches beside the best setting found by hand: a table for each recipe.

    python benchmarks/sweep.py                          # every recipe; all extras installed; half an hour
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
from pathlib import Path

import throughput
from hydra import compose, initialize_config_module

SECONDS = 3.0  # of each run, if it is as fast as the first,
UPDATES = 10  # and so many updates at least
RECIPES = sorted(file.stem for file in Path(__file__).parents[1].glob("cfgs/experiment/*.yaml"))
AUTO = "auto"
LOCAL = "transport=local"


def main() -> None:
    """Measure each setting of each recipe in turn and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    for recipe in arguments.recipes:
        print(table(recipe, sweep(recipe, arguments.runs)), flush=True)


def sweep(recipe: str, runs: int) -> dict[str, list[throughput.Speed]]:
    """Return the speeds of each setting of a recipe; a setting that fails is reported and has none."""
    with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
        cfgs = compose("config", [f"experiment={recipe}"])
    tried = dict(settings(cfgs.batch_size))
    shortest = UPDATES * cfgs.batch_size * cfgs.rollout_length
    speed = throughput.run(recipe, throughput.length(shortest))
    length = throughput.length(max(shortest, int(SECONDS * speed.steady)))
    found: dict[str, list[throughput.Speed]] = {name: [] for name in tried}
    for _ in range(runs):
        for name, overrides in tried.items():
            try:
                found[name].append(throughput.run(recipe, [*overrides, *length]))
            except subprocess.CalledProcessError as error:
                print(f"{recipe} {name}: {error}", file=sys.stderr)
    return found


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
