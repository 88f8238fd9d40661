"""One program and all that it starts: run to its end, its processor time counted, nothing of it left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


class ProgramError(Exception):
    """A program did not end well; the message is one line."""


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: list[str], *, cwd: str, seconds: float) -> str:
    """Return what a program printed on standard output.

    Args:
        command: The program and its arguments.
        cwd: The folder it runs in.
        seconds: How long it may take.

    Raises:
        ProgramError: It could not be started, took longer, or ended with another status than 0.
    """
    # files, because a pipe would stay open for as long as anything the program left behind holds it
    output, errors = Path(cwd) / "stdout.txt", Path(cwd) / "stderr.txt"
    with output.open("w") as stdout, errors.open("w") as stderr:
        try:
            process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        except OSError as error:
            raise ProgramError(str(error)) from None
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ProgramError(f"not finished after {seconds:.0f} s") from None
        finally:
            end_children()
    if status:
        raise ProgramError(last_line(errors.read_text(errors="replace")) or f"exit status {status}")
    return output.read_text(errors="replace")


def last_line(text: str) -> str:
    """Return the last line that names an error, or else the last that says anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if "error" in line.split(":")[0].lower()]
    return (named or lines or [""])[-1]


def end_children() -> None:
    """End all that descends from this process: let it end by itself, then ask, then by force."""
    for how, patience in ((0, 3.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
        for child in descendants(os.getpid()):
            # torch's keeper of shared memory frees it once all its users have ended, unless it is ended itself
            if how != signal.SIGTERM or _name(child) != "torch_shm_manag":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, how)
        deadline = time.monotonic() + patience
        while _reap() and time.monotonic() < deadline:
            time.sleep(0.02)


def descendants(parent: int) -> list[int]:
    """Return the ids of the processes that a process has started, and of those that these have, and so on."""
    parents = dict(_parents())
    found = [parent]
    for candidate in found:
        found += [child for child, of in parents.items() if of == candidate]
    return found[1:]


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # the name, in brackets, may itself hold brackets and blanks
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                yield int(folder.name), int(parent)


def _name(process: int) -> str:
    """Return the name of a process, of which Linux keeps 15 letters."""
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def _reap() -> bool:
    """Collect the children that have ended; return whether others have not."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
        return True
    return False


class Usage:
    """Processor seconds from here on: of all processes, and of our children that have ended."""

    def __init__(self) -> None:
        self._all, self._ours = busy_seconds(), _children_seconds()

    def others(self) -> float:
        """Return the seconds that went to processes which are not ours (0 where the system does not tell)."""
        ours = _children_seconds() - self._ours
        return max(0.0, busy_seconds() - self._all - ours)


def busy_seconds() -> float:
    """Return the processor seconds that this machine has spent on anything since it started."""
    try:
        user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    except OSError:
        return 0.0
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
