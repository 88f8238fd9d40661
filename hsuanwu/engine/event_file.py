"""TensorBoard's file of a run."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hsuanwu.common.errors import warn_of_run

_FLUSH_SECONDS = 10.0
_TIME = re.compile(r"tfevents\.(\d+(?:\.\d+)?)")


class EventFile:
    """Writes scalars in the thread that calls: whatever interrupts it, there is nothing that ``close`` could wait for.

    Args:
        folder: where the file ``events.out.tfevents.*`` is made.
        from_step: what TensorBoard has of later steps, from files of the same folder, it forgets.
    """

    def __init__(self, folder: Path, from_step: int = 0) -> None:
        # heavy to import, and needed only where a run begins
        from tensorboardX import RecordWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary

        self._event, self._summary = Event, Summary
        others = [float(x[1]) for path in folder.glob("events.out.tfevents.*") if (x := _TIME.search(path.name))]
        is_another = bool(others)
        # TensorBoard reads them in the order of their names, and clocks may go back
        now = max([time.time(), *(other + 1e-3 for other in others)])
        name = f"events.out.tfevents.{now:.6f}.{socket.gethostname()}"
        self._path, self._has_failed = folder / name, False
        self._file = RecordWriter(str(self._path))
        self._append(file_version="brain.Event:2")
        if is_another:
            # TensorBoard forgets what it has of that step too
            self._append(step=from_step + 1, session_log=SessionLog(status=SessionLog.START))
        self._flush()

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append one event that holds all scalars."""
        values = [self._summary.Value(tag=_tag(key), simple_value=value) for key, value in scalars.items()]
        self._try(lambda: self._append(step=step, summary=self._summary(value=values)))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._try(self._flush)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._try(self._file.close)

    def _try(self, write: Callable[[], None]) -> None:
        """Write, if that still works: a run does not end for the sake of a picture of it."""
        if not self._has_failed:
            try:
                write()
            except OSError as error:
                self._has_failed = True
                warn_of_run(f"{self._path}: cannot be written ({error.strerror}); TensorBoard sees no more of this run")

    def _append(self, **fields: Any) -> None:
        self._file.write(self._event(wall_time=time.time(), **fields).SerializeToString())

    def _flush(self) -> None:
        self._file.flush()
        self._flushed = time.monotonic()


def _tag(key: str) -> str:
    if "second" in key:
        return f"speed/{key}"
    if key.startswith("eval"):
        return f"evaluation/{key}"
    return f"episode/{key}" if key.startswith("episode") else f"train/{key}"
