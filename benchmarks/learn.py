"""Train every recipe with several seeds, unattended, and write what was reached into the documentation.

    make learn                                             # all of them: many hours
    python benchmarks/learn.py impala_cartpole --seeds 1 2 3
    python benchmarks/learn.py --report                    # no training: the table and the pictures of what is there

A run that has ended is not repeated; one that was stopped goes on where its last checkpoint is. The table
(docs/learning.md) and the pictures (docs/images/learning/) are made of the runs' metrics.jsonl alone. Recipes without a
run there keep the rows that they have.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ladder import LADDER, Bar, Task
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine.plot import learning_curve

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "learning.md"
PICTURES = ROOT / "docs" / "images" / "learning"
BEGIN, END = "<!-- ladder: begin -->", "<!-- ladder: end -->"
_NEAR = 0.05


@dataclass(frozen=True)
class Run:
    """What the log of one run says.

    Attributes:
        folder: the run folder.
        lines: of ``metrics.jsonl``.
    """

    folder: Path
    lines: list[dict[str, float | None]]

    @property
    def final_return(self) -> float:
        """Mean return of the evaluation after training."""
        return next(float(line["eval_episode_return"] or 0.0) for line in reversed(self.lines) if _is_evaluation(line))

    @property
    def steps(self) -> int:
        """Environment steps of training."""
        return int(self.lines[-1]["step"] or 0)

    @property
    def seconds(self) -> float:
        """Wall time of training."""
        return sum(line.get("window_seconds") or 0.0 for line in self.lines)

    def return_at(self, step: int) -> float:
        """Mean return of the last evaluation within 5% before ``step``; without one, of the training episodes there."""
        rows = [line for line in self.lines if (1 - _NEAR) * step <= (line["step"] or 0) <= step]
        for line in reversed(rows):
            if _is_evaluation(line):
                return float(line["eval_episode_return"] or 0.0)
        pairs = [(line["episode_return"], line["episodes"]) for line in rows if line.get("episode_return") is not None]
        return sum((x or 0) * (n or 0) for x, n in pairs) / max(1.0, sum(n or 0 for _, n in pairs))


def main() -> None:
    """Train what is asked for and write table and pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="default: all")
    parser.add_argument("--seeds", nargs="*", type=int, help="default: 1 2 3, or 1 where a run takes an hour")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "learning", help="where the run folders are")
    parser.add_argument("--report", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.recipes) - {task.recipe for task in LADDER}:
        parser.error(f"no such recipe: {', '.join(sorted(unknown))}; use {', '.join(t.recipe for t in LADDER)}")
    for task in LADDER:
        if not arguments.report and task.recipe in (arguments.recipes or [task.recipe]):
            for seed in arguments.seeds or task.seeds:
                train(task.recipe, seed, arguments.runs / task.recipe / str(seed))
                report(arguments.runs)
    report(arguments.runs)


def train(recipe: str, seed: int, folder: Path) -> None:
    """Train one seed of a recipe, unless that has been done."""
    if read(folder) is not None:
        return
    command = [sys.executable, "-c", "from hsuanwu.cli import train; train()"]
    command += [f"experiment={recipe}", f"seed={seed}", f"run_dir={folder}"]
    goes_on = (folder / "config.yaml").exists()
    ended = subprocess.run([*command, "resume=true"] if goes_on else command)
    if ended.returncode:
        print(f"{recipe} seed {seed}: exit status {ended.returncode}", file=sys.stderr)


def read(folder: Path) -> Run | None:
    """Return a run that has ended and was evaluated; None where there is none."""
    path = folder / "metrics.jsonl"
    if not path.exists():
        return None
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    total_steps = OmegaConf.load(folder / "config.yaml")["total_steps"]
    ended = lines and _is_evaluation(lines[-1]) and lines[-1]["step"] >= total_steps
    return Run(folder, lines) if ended else None


def report(runs: Path) -> None:
    """Write the table between its marks, and a picture for each task that has a run."""
    before, _, rest = TABLE.read_text("utf-8").partition(BEGIN)
    table, _, after = rest.partition(END)
    rows = [row for task in LADDER for row in _rows(task, runs) or _earlier_rows(task, table)]
    head = "| task | steps | at least | median | range | seeds | minutes a run | published |\n" + "|---" * 8 + "|"
    TABLE.write_text(f"{before}{BEGIN}\n{head}\n{chr(10).join(rows)}\n{END}{after}", "utf-8")


def _rows(task: Task, runs: Path) -> list[str]:
    found = [run for folder in sorted((runs / task.recipe).glob("*")) if (run := read(folder)) is not None]
    if not found:
        return []
    with suppress(ConfigurationError):  # no episode has ended in training: nothing to draw
        learning_curve([run.folder for run in found], PICTURES / f"{task.recipe}.png")
    return [_row(task, bar, found) for bar in task.bars]


def _earlier_rows(task: Task, table: str) -> list[str]:
    """Return what the table has of a task, from runs of somebody else; that it was not run where it has nothing."""
    rows = [line for line in table.splitlines() if f"`{task.recipe}`" in line]
    return rows or [f"| `{task.recipe}` | | {task.bars[-1].least:g} | not run | | 0 | | {task.published} |"]


def _row(task: Task, bar: Bar, runs: list[Run]) -> str:
    returns = [run.final_return if bar.at is None else run.return_at(bar.at) for run in runs]
    steps = max(run.steps for run in runs) if bar.at is None else bar.at
    minutes = statistics.median(run.seconds for run in runs) / 60
    median = statistics.median(returns)
    return (
        f"| [`{task.recipe}`](images/learning/{task.recipe}.png) | {steps:,} | {bar.least:g} "
        f"| {'**' if median >= bar.least else ''}{median:.4g}{'**' if median >= bar.least else ''} "
        f"| {min(returns):.4g} to {max(returns):.4g} | {len(runs)} | {minutes:.1f} | {task.published} |"
    )


def _is_evaluation(line: dict[str, float | None]) -> bool:
    return "eval_episode_return" in line


if __name__ == "__main__":
    main()
