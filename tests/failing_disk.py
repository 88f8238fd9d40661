"""A program that trains again and again in processes that it forks, each with calls that fail at other places.

It runs with the library of ``failing_calls.c`` loaded before the C library, reads lines ``NAME FIRST LAST ERRNO``, and
answers each with a line of JSON: what became of a run whose calls FIRST to LAST below its folder failed.
"""

import contextlib
import ctypes
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

import torch

from hsuanwu import cli
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer  # noqa: F401  imported once, and not in each process
from hsuanwu.engine.checkpoint import load_checkpoint
from hsuanwu.engine.run_folder import RunFolder

SETTINGS = ["experiment=impala_cartpole", "transport=local", "num_actors=1", "envs_per_actor=4", "batch_size=4"]
SETTINGS += ["learner_threads=1", "overlap=false", "precision=float32", "updates_per_batch=1", "eval_episodes=1"]
SETTINGS += ["total_steps=700", "log_interval=200", "checkpoint_interval=300", "eval_interval=350"]


def arm(folder, first=0, last=0, error=0, calls=None):
    """Let calls fail below a folder from now on, and write the names of all to a file."""
    log = None if calls is None else os.fsencode(calls)
    ctypes.CDLL(None).arm(os.fsencode(folder), ctypes.c_long(first), ctypes.c_long(last), error, log)


def train(folder, told, calls, first, last, error):
    """Train in this process, and end it with the status that the command ends with."""
    status = 99
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    try:
        sys.argv = ["hsuanwu-train", *SETTINGS, f"run_dir={folder}"]
        arm(folder, first, last, error, calls)
        try:
            cli.train()
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        arm("")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def kept(folder):
    """Return what a run has left: all that does not depend on time."""
    left = {"leftovers": sorted(path.name for path in folder.rglob("*.partial"))}
    left["has_picture"] = (folder / "learning_curve.png").exists()
    with contextlib.suppress(FileNotFoundError):
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        left["metrics"] = [[row["step"], row.get("loss"), row.get("eval_episode_return")] for row in rows]
        left["episodes"] = (folder / "episodes.csv").read_text()
    with contextlib.suppress(ConfigurationError):
        state = load_checkpoint(RunFolder(folder))
        left["steps"], left["weights"] = state["steps"], sum(float(x.double().sum()) for x in state["policy"].values())
    return left


def main():
    base = Path.cwd()
    torch.set_num_threads(1)
    for line in sys.stdin:
        name, first, last, error = line.split()
        folder, told, calls = base / name, base / f"{name}.err", base / f"{name}.calls"
        pid = os.fork()
        if pid == 0:
            train(folder, told, calls, int(first), int(last), int(error))
        _, status = os.waitpid(pid, 0)
        answer = {"status": os.waitstatus_to_exitcode(status), "told": told.read_text().splitlines(), **kept(folder)}
        answer["calls"] = [call.replace(str(folder), "").split()[1:] for call in calls.read_text().splitlines()]
        print(json.dumps(answer), flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        told.unlink()
        calls.unlink()


if __name__ == "__main__":
    main()
