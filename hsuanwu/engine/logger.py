"""Where metrics go: ``metrics.jsonl``, TensorBoard and ``episodes.csv``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping

from hsuanwu.engine.event_file import EventFile
from hsuanwu.engine.run_folder import RunFolder

_EPISODES_HEAD = "step,episode_return,episode_length\n"
_ROW = re.compile(r"\d+,[^,]+,\d+\n")
"""A whole row of ``episodes.csv``; a run that was killed may leave a torn one."""


class Logger:
    """Writes lines of metrics and finished episodes.

    Args:
        folder: the run's folder; files that are there already are continued.
        from_step: lines after this step are dropped, left by a run that died after its last checkpoint.
    """

    def __init__(self, folder: RunFolder, from_step: int = 0) -> None:
        _truncate(folder, from_step)
        self._metrics = folder.metrics.open("a", encoding="utf-8")
        self._episodes = folder.episodes.open("a", encoding="utf-8")
        self._tensorboard = EventFile(folder.path, from_step)

    def write(self, step: int, line: Mapping[str, float | None]) -> None:
        """Append one JSON object with ``step`` and the metrics; numbers that are not finite become null."""
        values = {key: _json_value(value) for key, value in line.items()}
        self._metrics.write(json.dumps({"step": step, **values}) + "\n")
        self.flush()
        self._tensorboard.write(step, {key: value for key, value in values.items() if value is not None})

    def write_episodes(self, step: int, episodes: Iterable[tuple[float, int]]) -> None:
        """Append a row for each finished episode: the run's step, its return and its length."""
        self._episodes.writelines(f"{step},{value:.10g},{length}\n" for value, length in episodes)

    def flush(self) -> None:
        """Give all lines and rows to the system: a killed process loses none of them."""
        self._metrics.flush()
        self._episodes.flush()

    def close(self) -> None:
        """Write what is left and close the files."""
        self._metrics.close()
        self._episodes.close()
        self._tensorboard.close()


def _json_value(value: float | None) -> float | None:
    # JSON knows no NaN and no infinity
    return value if value is not None and math.isfinite(value) else None


def _truncate(folder: RunFolder, from_step: int) -> None:
    if folder.metrics.exists():
        kept = [line for line in folder.metrics.read_text("utf-8").splitlines() if _step_of(line) <= from_step]
        folder.metrics.write_text("".join(f"{line}\n" for line in kept), "utf-8")
    rows = folder.episodes.read_text("utf-8").splitlines(keepends=True) if folder.episodes.exists() else []
    kept = [row for row in rows if _ROW.fullmatch(row) and int(row.partition(",")[0]) <= from_step]
    folder.episodes.write_text("".join([_EPISODES_HEAD, *kept]), "utf-8")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # the torn last line of a run that was killed
