"""A program of a peer ends with all that it started, and what went wrong is one line."""

import os
import subprocess
import sys
from pathlib import Path

import process_tree
import pytest
from process_tree import ProgramError

from tests.benchmarks.conftest import BENCHMARKS
from tests.processes import is_alive
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]

# A child in a session of its own outlives its parent, as Ray's processes do.
ORPHAN = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
print(child.pid, flush=True)
{rest}
"""

# The reaper ends every child of its process, so each case has a process of its own.
CASE = """
import os, subprocess, sys, types
from pathlib import Path
import process_tree
from tests.waiting import wait_until

code, folder, pace = sys.argv[1:]
if pace == "time stands still":
    until_a_child_ends = lambda _: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    process_tree.time = types.SimpleNamespace(monotonic=lambda: 0.0, sleep=until_a_child_ends)
elif pace == "time is up when something is printed":
    def wait(process, seconds):
        wait_until((Path(folder) / "stdout.txt").read_text, "output")
        raise subprocess.TimeoutExpired(process.args, seconds)

    subprocess.Popen.wait = wait
process_tree.adopt_orphans()
try:
    print(process_tree.run([sys.executable, "-c", code], cwd=folder, seconds=600.0))
except process_tree.ProgramError as error:
    print("error:", error)
"""


def case(code, folder, pace="as usual"):
    """Return the lines that a run of ``code`` gives."""
    command = [sys.executable, "-c", CASE, code, str(folder), pace]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(ROOT)])}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout.split("\n")


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.parametrize("status", [0, 3])
def test_orphans_are_ended(tmp_path, status):
    case(ORPHAN.format(rest=f"sys.exit({status})"), tmp_path)
    assert not is_alive(int((tmp_path / "stdout.txt").read_text()))


@linux
def test_what_ends_by_itself_is_let_end(tmp_path):
    """Torch's shared memory is freed by a process that outlives its users for a moment."""
    slow = "import pathlib, sys; sys.stdin.read(); pathlib.Path('freed').touch()"  # when the program has ended
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {slow!r}], stdin=subprocess.PIPE)"
    case(program, tmp_path, "time stands still")
    assert (tmp_path / "freed").exists()


@linux
def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path):
    lines = case(ORPHAN.format(rest="signal.pause()"), tmp_path, "time is up when something is printed")
    assert lines[0] == "error: not finished after 600 s"
    assert not is_alive(int((tmp_path / "stdout.txt").read_text()))


def test_what_it_printed_comes_back(tmp_path):
    assert case("print('one'); print('two')", tmp_path)[:2] == ["one", "two"]


def test_a_failure_says_why_in_one_line(tmp_path):
    assert case("raise ValueError('too small')", tmp_path)[:1] == ["error: ValueError: too small"]
    assert case("raise SystemExit(7)", tmp_path)[:1] == ["error: exit status 7"]


@pytest.mark.parametrize(
    "text, line",
    [
        ("", ""),
        ("Traceback:\n  x\nValueError: no\n\nwarning: leaked\n", "ValueError: no"),
        ("ERROR: no version\n[end of output]\n", "ERROR: no version"),
        ("one\ntwo\n\n", "two"),
    ],
)
def test_last_line(text, line):
    assert process_tree.last_line(text) == line


@linux
def test_descendants_are_children_and_their_children():
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']).wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        wait_until(lambda: process_tree.descendants(child.pid), "a child's child")
        found = process_tree.descendants(child.pid)
        assert child.pid in process_tree.descendants(os.getpid())
        assert set(found) < set(process_tree.descendants(os.getpid()))
        child.communicate(b"\n")


def test_a_program_that_cannot_be_started_is_an_error(tmp_path):
    with pytest.raises(ProgramError, match="nowhere"):
        process_tree.run(["/nowhere"], cwd=str(tmp_path), seconds=1.0)
