"""Sweeps: whether a job belongs to one, what the job is called, and the table of all jobs."""

from __future__ import annotations

import csv
import io
import os
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_HEAD = ["job", "run_dir", "overrides", "mean_return"]
FAILED, INTERRUPTED = "failed", "interrupted"


def is_sweep() -> bool:
    """Return whether the current Hydra job is one of a sweep."""
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def name_of_job() -> str:
    """Return the number of the current Hydra job and its overrides, ``"job 1 (seed=2)"`` say."""
    job = HydraConfig.get().job
    return f"job {job.num} ({job.override_dirname})" if job.override_dirname else f"job {job.num}"


def note_job(run_dir: str | None, result: str) -> None:
    """Append a row to ``sweep.csv``: beside the folders of the jobs, or in Hydra's record where they lie apart.

    Args:
        run_dir: of the job; None where it did not come so far.
        result: the mean return of its evaluation, nothing, ``FAILED``, or ``INTERRUPTED`` by a signal.
    """
    hydra_config = HydraConfig.get()
    is_together = run_dir is not None and Path(run_dir).name == str(hydra_config.job.num)
    place = Path(run_dir or "").parent if is_together else Path(hydra_config.sweep.dir)
    place.mkdir(parents=True, exist_ok=True)
    row = [str(hydra_config.job.num), run_dir or "", " ".join(hydra_config.overrides.task), result]
    _append(place / "sweep.csv", row)


def _append(table: Path, row: list[str]) -> None:
    """Append a row, after the head of the table if it is the first; other jobs may do so at the same time."""
    descriptor = os.open(table, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([row] if os.fstat(descriptor).st_size else [_HEAD, row])
        os.write(descriptor, text.getvalue().encode())
    finally:
        os.close(descriptor)
