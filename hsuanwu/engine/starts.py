"""A record of each start of a run: command line, package versions and commit."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from typing import Any

from hsuanwu import __version__
from hsuanwu.engine.append_file import AppendFile
from hsuanwu.engine.run_folder import RunFolder

_PACKAGES = ("torch", "gymnasium", "numpy", "hydra-core", "omegaconf", "dm-env", "ale-py", "dm-control", "mujoco")
_GIT_SECONDS = 5.0


def note_start(folder: RunFolder, from_step: int) -> None:
    """Append a line to ``starts.jsonl`` of a run."""
    file = AppendFile(folder.starts)
    file.write(json.dumps({**describe_start(), "from_step": from_step}) + "\n")
    file.close()


def describe_start() -> dict[str, Any]:
    """Return what is known of this process: when and where it runs, what was typed, versions and commit."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "command": sys.argv,
        "versions": {"hsuanwu": __version__, "python": platform.python_version(), **_versions()},
        "commit": _commit(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """Return the commit of the current folder; None where there is none.

    Nothing is asked that would run a program which the folder's own settings name.
    """
    git = shutil.which("git")
    if git is None:
        return None
    try:
        words = [git, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "rev-parse", "HEAD"]
        answer = subprocess.run(words, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
