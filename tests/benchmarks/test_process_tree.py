"""A program of a peer ends with all that it started, and what went wrong is one line."""

import os
import subprocess
import sys
from pathlib import Path

import process_tree
import pytest
from process_tree import ProgramError

from tests.benchmarks.conftest import BENCHMARKS

# A child in a session of its own outlives its parent, as Ray's processes do.
ORPHAN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep({sleep})
sys.exit({status})
"""

# The reaper ends every child of its process, so each case has a process of its own.
CASE = """
import sys, process_tree
process_tree.adopt_orphans()
try:
    print(process_tree.run([sys.executable, "-c", sys.argv[1]], cwd=sys.argv[2], seconds=float(sys.argv[3])))
except process_tree.ProgramError as error:
    print("error:", error)
"""


def case(code, folder, seconds=30.0):
    """Return the lines that a run of ``code`` gives."""
    command = [sys.executable, "-c", CASE, code, str(folder), str(seconds)]
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout.split("\n")


def is_alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
@pytest.mark.parametrize("status", [0, 3])
def test_orphans_are_ended(tmp_path, status):
    case(ORPHAN.format(sleep=0, status=status), tmp_path)
    assert not is_alive(int((tmp_path / "stdout.txt").read_text()))


@linux
def test_what_ends_by_itself_is_let_end(tmp_path):
    """Torch's shared memory is freed by a process that outlives its users for a moment."""
    slow = "import pathlib, time; time.sleep(0.5); pathlib.Path('freed').touch()"
    case(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {slow!r}])", tmp_path)
    assert (tmp_path / "freed").exists()


@linux
def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path):
    lines = case(ORPHAN.format(sleep=60, status=0), tmp_path, seconds=1.0)
    assert lines[0] == "error: not finished after 1 s"
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
        while len(found := process_tree.descendants(child.pid)) < 1:
            pass
        assert child.pid in process_tree.descendants(os.getpid())
        assert set(found) < set(process_tree.descendants(os.getpid()))
        child.communicate(b"\n")


def test_a_program_that_cannot_be_started_is_an_error(tmp_path):
    with pytest.raises(ProgramError, match="nowhere"):
        process_tree.run(["/nowhere"], cwd=str(tmp_path), seconds=1.0)
