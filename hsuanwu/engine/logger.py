"""Where metrics go: ``metrics.jsonl``, TensorBoard and ``episodes.csv``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, starmap, zip_longest
from operator import eq
from pathlib import Path

from hsuanwu.engine.append_file import AppendFile
from hsuanwu.engine.event_file import EventFile
from hsuanwu.engine.foreign_files import read_lines
from hsuanwu.engine.run_folder import RunFolder, replaced

_HEAD = "step,episode_return,episode_length\n"
_ROW = re.compile(r"\d+,[^,]+,\d+\n")
"""A whole row of ``episodes.csv``, a run that was killed may leave a torn one; its step is the one that its batch began
at, so that a row of a checkpoint's step is of the batch after it."""


class Logger:
    """Writes lines of metrics and finished episodes.

    Args:
        folder: the run's folder; files that are there already are continued.
        from_step: what was written after the checkpoint of this step is dropped: the run died, and goes on from there.
        goes_on: whether this process has written there before: TensorBoard needs no other file, and where a file cannot
            be opened, a warning is enough.

    Raises:
        OSError: if a file of a run that begins cannot be written; it names the file.
    """

    def __init__(self, folder: RunFolder, from_step: int = 0, goes_on: bool = False) -> None:
        if not goes_on:
            _truncate(folder, from_step)
        self._metrics = AppendFile(folder.metrics, at_once=not goes_on)
        self._episodes = AppendFile(folder.episodes, at_once=not goes_on)
        self._tensorboard = EventFile(folder.path, from_step, goes_on)

    def write(self, step: int, line: Mapping[str, float | None]) -> None:
        """Append one JSON object with ``step`` and the metrics; numbers that are not finite become null."""
        values = {key: _json_value(value) for key, value in line.items()}
        self._metrics.write(json.dumps({"step": step, **values}) + "\n")
        self.flush()
        self._tensorboard.write(step, {key: value for key, value in values.items() if value is not None})

    def write_episodes(self, step: int, episodes: Iterable[tuple[float, int]]) -> None:
        """Append a row for each finished episode: the run's step, its return and its length."""
        self._episodes.write("".join(f"{step},{value:.10g},{length}\n" for value, length in episodes))

    def flush(self) -> None:
        """Give all lines and rows to the system: a killed process loses none of them."""
        self._metrics.flush()
        self._episodes.flush()

    def close(self) -> None:
        """Write what is left and close the files."""
        self._metrics.close()
        self._episodes.close()
        self._tensorboard.close()


def longest_episode(folder: RunFolder) -> int:
    """Return the steps of the longest episode that a run has logged; 0 for none."""
    if not folder.episodes.exists():
        return 0
    rows = read_lines(folder.episodes)
    return max((int(row.rpartition(",")[2]) for row in rows if _ROW.fullmatch(row)), default=0)


def _json_value(value: float | None) -> float | None:
    # JSON knows no NaN and no infinity
    return value if value is not None and math.isfinite(value) else None


def _truncate(folder: RunFolder, from_step: int) -> None:
    _keep(folder.metrics, lambda line: line.endswith("\n") and _step_of(line) <= from_step)
    _keep(folder.episodes, lambda row: bool(_ROW.fullmatch(row)) and int(row.partition(",")[0]) < from_step, _HEAD)


def _keep(path: Path, is_kept: Callable[[str], bool], head: str = "") -> None:
    """Drop lines of a file, which is whole at any time: the old one or the new one."""

    def lines() -> Iterator[str]:
        return read_lines(path) if path.exists() else iter(())

    def kept() -> Iterator[str]:
        return chain([head] if head else [], filter(is_kept, lines()))

    if all(starmap(eq, zip_longest(lines(), kept()))):
        return
    with replaced(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(kept())


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return math.inf  # the torn last line of a run that was killed
