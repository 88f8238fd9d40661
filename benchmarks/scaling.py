"""How speed changes with actors, environments, rollout length and batch: tables for CartPole.

    python benchmarks/scaling.py

Each figure is the steady speed of one run of ``bench_cartpole`` with one or two values changed.
"""

from __future__ import annotations

import throughput

SECONDS = 3.0


def main() -> None:
    """Measure each table in turn and print it."""
    show("environments per actor", "envs", [(f"{n}", envs(n)) for n in (1, 4, 16, 64, 256, 1024)])
    show("actors", "actors", [(f"{n}", actors(n)) for n in (1, 2)])
    show("rollout length", "T", [(f"{n}", [f"rollout_length={n}"]) for n in (5, 10, 20, 40, 80, 160, 320)])
    show("batch", "environments", [(f"{n}", envs(n)) for n in (128, 256, 512, 1024, 2048, 4096)])


def envs(count: int) -> list[str]:
    """Return the overrides for one actor whose environments make a batch."""
    return [f"batch_size={count}", "num_actors=1", f"envs_per_actor={count}"]


def actors(count: int) -> list[str]:
    """Return the overrides for actors that have 256 environments each, two of them making a batch."""
    return ["batch_size=512", f"num_actors={count}", "envs_per_actor=256"]


def show(title: str, column: str, cases: list[tuple[str, list[str]]]) -> None:
    """Print one table; the second run of each case is as long as its first one says is needed."""
    print(f"\n### {title}\n\n| {column} | steps/s | policy lag |\n|---:|---:|---:|", flush=True)
    for name, overrides in cases:
        steps = 200_000
        speed = throughput.run("bench_cartpole", [*overrides, *throughput.length(steps)])
        speed = throughput.run("bench_cartpole", [*overrides, *throughput.length(int(speed.steady * SECONDS))])
        print(f"| {name} | {speed.steady:,.0f} | {speed.lag:.1f} |", flush=True)


if __name__ == "__main__":
    main()
