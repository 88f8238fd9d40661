"""Environment steps per second of whole training, ours beside other systems', in turn on one machine.

    make bench-peers                                              # every workload, five rounds: about 40 minutes
    make bench-peers ARGS='--workloads pong --rounds 3'
    make bench-peers ARGS='--systems hsuanwu puffer --output table.md --json raw.json'

Each system runs at the best setting known for two cores (benchmarks/peer/*.py, cfgs/experiment/bench_*.yaml), alone,
in an environment of its own. Steps count once start-up is over; a step is one action of the agent, not a frame.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import process_tree
import throughput
import torch
from speed_table import Run, markdown, rows

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / ".venv-peers"
OURS = "hsuanwu"
# what each system is measured on; hsuanwu is ours, the others are programs in benchmarks/peer/
SYSTEMS = {
    OURS: ("cartpole", "cartpole_python", "pong", "pong_deep"),
    "puffer": ("cartpole",),
    "samplefactory": ("cartpole", "cartpole_python", "pong", "pong_deep"),
    "sb3": ("cartpole", "cartpole_python", "pong"),
    "rllib": ("cartpole", "cartpole_python", "pong"),
}
# steps per second that decide how long our first run of a workload takes; later ones go by the one before
EXPECTED = {"cartpole": 800_000.0, "cartpole_python": 150_000.0, "pong": 2_400.0, "pong_deep": 600.0}
START_UP = 150.0
"""Seconds that a program may take beyond the seconds that it measures."""
# glibc returns large blocks to the system each time they are freed, unless told to keep them
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296"}


def main() -> None:
    """Measure in turn, print the table after every round, and write it where asked."""
    arguments = parse()
    if arguments.keep_memory:
        os.environ.update(KEEP_MEMORY)
    process_tree.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: terminated"))  # so that nothing is left running
    pairs = [(w, s) for w in arguments.workloads for s in arguments.systems if w in SYSTEMS[s]]
    expected = dict(EXPECTED)
    runs: list[Run] = []
    raw: list[dict[str, Any]] = []
    for number in range(arguments.rounds):
        for workload, system in pairs:
            run, details = measure(workload, system, arguments.seconds, expected)
            runs.append(run)
            raw.append({"round": number + 1, **asdict(run), **details})
            speed = f"failed: {run.failure}" if run.steps_per_second is None else f"{run.steps_per_second:,.0f} steps/s"
            print(f"round {number + 1} {workload:<16}{system:<14}{speed}{note(details)}", file=sys.stderr, flush=True)
            write(arguments, runs, raw)
    print(machine() + "\n\n" + markdown(rows(runs, OURS)), end="")


def parse() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=SYSTEMS[OURS], default=SYSTEMS[OURS])
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=15.0, help="to measure each, after start-up and warm-up")
    parser.add_argument("--keep-memory", action="store_true", help="tell glibc to keep freed memory, in every system")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table there, as markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    return parser.parse_args()


def measure(workload: str, system: str, seconds: float, expected: dict[str, float]) -> tuple[Run, dict[str, Any]]:
    """Run one system once; return its speed, and what else it says.

    Args:
        workload: What to train.
        system: Which program trains it.
        seconds: How long to measure.
        expected: Our speed at each workload, which this brings up to date.
    """
    usage, start = process_tree.Usage(), time.monotonic()
    details: dict[str, Any] = {}
    try:
        if system == OURS:
            speed = ours(workload, int(expected[workload] * seconds * 1.5))  # a third of them is left out
            expected[workload] = speed
            details["versions"] = {"torch": torch.__version__, "python": platform.python_version()}
        else:
            details = peer(workload, system, seconds)
            speed = details.pop("steps_per_second")
        run = Run(workload, system, speed)
    except process_tree.ProgramError as failure:
        run = Run(workload, system, None, str(failure))
    elapsed = time.monotonic() - start
    details |= {"seconds": elapsed, "others": usage.others() / elapsed / (os.cpu_count() or 1)}
    return run, details


def ours(workload: str, steps: int) -> float:
    """Return the steady speed of our recipe for a workload over that many steps."""
    try:
        return throughput.measure(f"bench_{workload}", [f"total_steps={steps}"])[0]
    except Exception as error:  # whatever it is, the others can still be measured
        raise process_tree.ProgramError(process_tree.last_line(str(error))) from error
    finally:
        process_tree.end_children()


def peer(workload: str, system: str, seconds: float) -> dict[str, Any]:
    """Return the line of JSON that a peer's program ends with."""
    if not (VENVS / f"{system}.stamp").exists():
        log = VENVS / f"{system}.log"
        why = process_tree.last_line(log.read_text(errors="replace")) if log.exists() else "run make bench-peers"
        raise process_tree.ProgramError(f"not installed: {why}")
    program = ROOT / "benchmarks" / "peer" / f"{system}.py"
    command = [str(VENVS / system / "bin" / "python"), str(program), "--workload", workload]
    # a folder of its own: some write into the one they are started from
    with tempfile.TemporaryDirectory() as folder:
        output = process_tree.run([*command, "--seconds", str(seconds)], cwd=folder, seconds=1.2 * seconds + START_UP)
    return result(output)


def result(output: str) -> dict[str, Any]:
    """Return the last line of a program's output that is a JSON object with a speed.

    Raises:
        ProgramError: No line is.
    """
    for line in reversed(output.splitlines()):
        try:
            found = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(found, dict) and isinstance(found.get("steps_per_second"), float):
            return found
    raise process_tree.ProgramError("it printed no steps_per_second")


def note(details: dict[str, Any]) -> str:
    """Return a remark where other programs took processor time meanwhile."""
    return f"   (others took {details['others']:.0%} of the processor)" if details["others"] > 0.05 else ""


def machine() -> str:
    """Return the machine and our versions, in one line."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return f"{os.cpu_count()} cores ({model}), torch {torch.__version__}, Python {platform.python_version()}"


def write(arguments: argparse.Namespace, runs: list[Run], raw: list[dict[str, Any]]) -> None:
    """Bring the files that were asked for up to date."""
    if arguments.output:
        arguments.output.write_text(f"{machine()}\n\n{markdown(rows(runs, OURS))}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "runs": raw}, indent=1) + "\n")


if __name__ == "__main__":
    main()
