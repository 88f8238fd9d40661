"""What ``auto`` reaches beside the best setting found by hand: a table for each recipe.

    python benchmarks/sweep.py                          # every recipe; all extras installed; half an hour
    python benchmarks/sweep.py bench_cartpole --runs 3
    python benchmarks/sweep.py --again sweep.md --runs 5    # auto and the best setting of each recipe in that table

Tried are one process for all, and one and two actors with all or half of a batch's environments each, one and two
threads for the learner, float32 and bfloat16. Figures are steady steps per second, medians of ``--runs``. Of many
settings the best of single runs is also the luckiest: ``--again`` measures it, and ``auto``, anew.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import throughput
from hydra import compose, initialize_config_module

SECONDS = 3.0  # of each run, if it is as fast as the first,
UPDATES = 10  # and so many updates at least
FILES = Path(__file__).parents[1].glob("cfgs/experiment/*.yaml")
RECIPES = sorted(file.stem for file in FILES if not file.stem.endswith("_gpu"))
AUTO = "auto"
LOCAL = "transport=local"


def main() -> None:
    """Measure each setting of each recipe in turn and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="all of them, or of those in the table, if none is named")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--again", type=Path, help="tables of this script: only auto and the best setting of each")
    arguments = parser.parse_args()
    best = winners(arguments.again.read_text()) if arguments.again else {}
    for recipe in arguments.recipes or list(best) or RECIPES:
        only = {AUTO, best[recipe]} if recipe in best else None
        print(table(recipe, sweep(recipe, arguments.runs, only)), flush=True)


def winners(tables: str) -> dict[str, str]:
    """Return the best setting by hand of each recipe in tables that this script wrote."""
    best: dict[str, str] = {}
    for line in tables.splitlines():
        if heading := re.fullmatch(r"###? `(\w+)`", line):
            recipe = heading[1]
        elif (row := re.match(r"\| (\d.*?) \|", line)) and recipe not in best:  # the fastest row is the first
            best[recipe] = row[1]
    return best


def sweep(recipe: str, runs: int, only: set[str] | None = None) -> dict[str, list[throughput.Speed]]:
    """Return the speeds of each setting of a recipe, in turn; a setting that fails is reported and has none."""
    with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
        cfgs = compose("config", [f"experiment={recipe}"])
    tried = {name: given for name, given in settings(cfgs.batch_size) if only is None or name in only}
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
