"""Sweeps: whether a job belongs to one, what the job is called, and the table of all jobs."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from hsuanwu.common.errors import warn_of_run
from hsuanwu.engine.append_file import AppendFile

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_HEAD = ["job", "run_dir", "overrides", "mean_return"]
FAILED, INTERRUPTED = "failed", "interrupted"


def is_sweep() -> bool:
    """Return whether the current Hydra job is one of a sweep."""
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def is_search() -> bool:
    """Return whether the current Hydra job has values that a sweeper has chosen by what other jobs have reached."""
    return is_sweep() and not str(HydraConfig.get().sweeper["_target_"]).endswith(".BasicSweeper")


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
    row = [str(hydra_config.job.num), run_dir or "", " ".join(hydra_config.overrides.task), result]
    try:
        _append(place / "sweep.csv", row)
    except OSError as error:  # the job's own end is what counts
        warn_of_run(f"{place / 'sweep.csv'}: cannot be written ({error.strerror})")


def _append(table: Path, row: Sequence[str]) -> None:
    table.parent.mkdir(parents=True, exist_ok=True)
    with _locked(table):  # jobs may end at the same time
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([row] if table.stat().st_size else [_HEAD, row])
        file = AppendFile(table)
        file.write(text.getvalue())
        file.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes that ask for the same lock out of a file, which is made if need be."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
