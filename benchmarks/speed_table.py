"""Medians of measured speeds and their ratios, as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

HEADER = ("workload", "system", "steps/s (median)", "range", "runs", "ours is")


@dataclass(frozen=True)
class Run:
    """One measurement.

    Args:
        workload: What was trained.
        system: Which program trained it.
        steps_per_second: The speed; None where it failed.
        failure: Why it failed, in one line.
    """

    workload: str
    system: str
    steps_per_second: float | None
    failure: str = ""


def rows(runs: Iterable[Run], ours: str) -> list[tuple[str, ...]]:
    """Return a row for each workload and system, in the order in which they first appear.

    Args:
        runs: The measurements.
        ours: The system whose medians the others' are compared with.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.workload, run.system), []).append(run)
    medians = {key: _median(group) for key, group in groups.items()}
    return [_row(key, group, medians.get((key[0], ours)), ours) for key, group in groups.items()]


def _speeds(group: list[Run]) -> list[float]:
    return [run.steps_per_second for run in group if run.steps_per_second is not None]


def _median(group: list[Run]) -> float | None:
    speeds = _speeds(group)
    return statistics.median(speeds) if speeds else None


def _row(key: tuple[str, str], group: list[Run], reference: float | None, ours: str) -> tuple[str, ...]:
    workload, system = key
    speeds = _speeds(group)
    count = f"{len(speeds)}" if len(speeds) == len(group) else f"{len(speeds)} of {len(group)}"
    if not speeds:
        return workload, system, f"failed: {group[-1].failure}", "-", count, "-"
    median = statistics.median(speeds)
    ratio = "-" if system == ours or reference is None else f"{reference / median:.2f} x"
    return workload, system, f"{median:,.0f}", f"{min(speeds):,.0f} to {max(speeds):,.0f}", count, ratio


def markdown(table: list[tuple[str, ...]]) -> str:
    """Return the rows under a header, as a markdown table whose columns are as wide as their widest cell."""
    cells = [HEADER, *([cell.replace("|", "/") for cell in row] for row in table)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    left = 2  # the columns that are words
    lines = [
        " | ".join(cell.ljust(width) if column < left else cell.rjust(width) for column, (cell, width) in row)
        for row in (enumerate(zip(row, widths, strict=True)) for row in cells)
    ]
    rule = " | ".join("-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths))
    return "".join(f"| {line} |\n" for line in [lines[0], rule, *lines[1:]])
