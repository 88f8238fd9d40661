"""TensorBoard's file of a run."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from hsuanwu.common.errors import file_named, one_line, warn_of_run

_FLUSH_SECONDS = 10.0
_TIME = re.compile(r"tfevents\.(\d+(?:\.\d+)?)")
_APPEND = "hsuanwu-append"


class EventFile:
    """Writes scalars in the thread that calls: whatever interrupts it, there is nothing that ``close`` could wait for.

    Args:
        folder: where the file ``events.out.tfevents.*`` is made.
        from_step: what TensorBoard has of later steps, from files of the same folder, it forgets.
        goes_on: whether the newest file there, which was closed, is continued, if that still works.

    Raises:
        OSError: if a run that begins cannot write there; it names the file.
    """

    def __init__(self, folder: Path, from_step: int = 0, goes_on: bool = False) -> None:
        # heavy to import, and needed only where a run begins
        from tensorboardX import record_writer
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        self._event, self._summary = Event, Summary
        record_writer.register_writer_factory(_APPEND, _Appending)
        self._writer = record_writer.RecordWriter
        self._path, self._has_failed, self._flushed = folder, False, time.monotonic()

        if goes_on:
            self._try(lambda: self._begin(folder, from_step, goes_on))
        else:
            self._begin(folder, from_step, goes_on)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append one event that holds all scalars."""
        values = [self._summary.Value(tag=_tag(key), simple_value=value) for key, value in scalars.items()]
        self._try(lambda: self._append(step=step, summary=self._summary(value=values)))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._try(self._flush)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._try(lambda: self._file.close())

    def _begin(self, folder: Path, from_step: int, goes_on: bool) -> None:
        from tensorboardX.proto.event_pb2 import SessionLog

        others = sorted(
            (float(x[1]), path) for path in folder.glob("events.out.tfevents.*") if (x := _TIME.search(path.name))
        )
        is_new = not (goes_on and others)
        self._path = _new_file(folder, others[-1][0] if others else 0.0) if is_new else others[-1][1]
        with file_named(self._path):
            self._file = self._writer(f"{_APPEND}:{self._path}")
            if is_new:
                self._append(file_version="brain.Event:2")
            if is_new and others:
                # TensorBoard forgets what it has of that step too
                self._append(step=from_step + 1, session_log=SessionLog(status=SessionLog.START))
            self._flush()

    def _try(self, write: Callable[[], None]) -> None:
        """Write, if that still works: a run that has begun does not end for the sake of a picture of it."""
        if not self._has_failed:
            try:
                write()
            except OSError as error:
                self._has_failed = True
                problem = error.strerror or one_line(error)
                warn_of_run(f"{self._path}: cannot be written ({problem}); TensorBoard sees no more of this run")

    def _append(self, **fields: Any) -> None:
        self._file.write(self._event(wall_time=time.time(), **fields).SerializeToString())

    def _flush(self) -> None:
        self._file.flush()
        self._flushed = time.monotonic()


class _Appending:
    """Opens files for tensorboardX, which knows only new ones."""

    @staticmethod
    def open(path: str) -> BinaryIO:
        return Path(path.partition(":")[2]).open("ab")


def _new_file(folder: Path, newest: float) -> Path:
    """Return the path of a new file; TensorBoard reads files in the order of their names, and clocks may go back.

    A tool that has put a class of its own in the place of tensorboardX's, to learn where events are written (W&B's
    ``sync_tensorboard`` does), is told.
    """
    from tensorboardX import event_file_writer, writer

    if writer.EventFileWriter is not event_file_writer.EventFileWriter:
        before = set(folder.iterdir())
        writer.EventFileWriter(str(folder)).close()
        made = [path for path in folder.iterdir() if path not in before and _TIME.search(path.name)]
        if made:
            made[0].write_bytes(b"")
            return made[0]
    now = max(time.time(), newest + 1e-3)
    return folder / f"events.out.tfevents.{now:.6f}.{socket.gethostname()}"


def _tag(key: str) -> str:
    if "second" in key:
        return f"speed/{key}"
    if key.startswith("eval"):
        return f"evaluation/{key}"
    if key.startswith("info_"):
        return f"info/{key.removeprefix('info_')}"
    return f"episode/{key}" if key.startswith("episode") else f"train/{key}"
