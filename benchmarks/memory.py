"""Memory of the learner and its actors while a recipe trains: first, last and largest, one row for each process.

    python benchmarks/memory.py                                      # bench_cartpole, 31 minutes
    python benchmarks/memory.py bench_pong --minutes 5 --overrides num_actors=1

Anonymous memory counts (``RssAnon``): what a process has of its own, or shares with the one that it was forked from.
The first sample is taken when a quarter of a minute has gone by, and everything runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import process_tree

START_SECONDS, SAMPLE_SECONDS = 15.0, 15.0
ENDLESS = 10**12


def main() -> None:
    """Train, look at the memory of every process now and then, end the run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="bench_cartpole")
    parser.add_argument("--minutes", type=float, default=31.0, help="from the first sample to the last")
    parser.add_argument("--overrides", nargs="*", default=[], help="passed on to hsuanwu-train")
    arguments = parser.parse_args()
    process_tree.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: terminated"))  # so that nothing is left running
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from hsuanwu.cli import train; train()", f"experiment={arguments.recipe}"]
        command += [f"run_dir={folder}/run", f"total_steps={ENDLESS}", *arguments.overrides]
        try:
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as learner:
                try:
                    samples = watch(learner, arguments.minutes * 60.0)
                finally:
                    learner.terminate()
        finally:
            process_tree.end_children()
    print(table(samples, learner.pid))


def watch(learner: subprocess.Popen[bytes], seconds: float) -> dict[int, list[int]]:
    """Return kB of anonymous memory of each process of a run, in order of time.

    Raises:
        SystemExit: if the run ends meanwhile.
    """
    samples: dict[int, list[int]] = defaultdict(list)
    time.sleep(START_SECONDS)
    end = time.monotonic() + seconds
    while True:
        if learner.poll() is not None:
            sys.exit(f"error: the run ended with exit status {learner.returncode}")
        for process in process_tree.descendants(os.getpid()):
            if (kilobytes := anonymous(process)) is not None:
                samples[process].append(kilobytes)
        if time.monotonic() >= end:
            return samples
        time.sleep(min(SAMPLE_SECONDS, max(0.0, end - time.monotonic())))


def anonymous(process: int) -> int | None:
    """Return kB of anonymous memory of a process; None if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), None)


def table(samples: dict[int, list[int]], learner: int) -> str:
    """Return a row for each process as Markdown, in MB."""
    lines = ["| process | first MB | last MB | largest MB | samples |", "|---|---:|---:|---:|---:|"]
    for process, kilobytes in samples.items():
        name = "learner" if process == learner else "actor or fork server"
        first, last, largest = (x / 1024 for x in (kilobytes[0], kilobytes[-1], max(kilobytes)))
        lines.append(f"| {name} | {first:.0f} | {last:.0f} | {largest:.0f} | {len(kilobytes)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
