"""A disk that fails at any call costs a run at most a line and what that call was for, never what was learnt."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import failing_disk

ROOT = Path(__file__).resolve().parents[1]
FOR_EVER = 1 << 40
WRITING = ("write", "open", "openat", "fsync", "close", "rename", "mkdir", "ftruncate")
"""Beginnings of the names of calls that a full disk can fail."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD, and names of glibc"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function: what became of a run whose calls FIRST to LAST failed with an error."""
    folder = tmp_path_factory.mktemp("disk")
    library = folder / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    variables = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, failing_disk.__file__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=folder, env=variables, **pipes) as program:

        def run(first, last, error=errno.EIO):
            program.stdin.write(f"run {first} {last} {error}\n")
            program.stdin.flush()
            return json.loads(program.stdout.readline())

        yield run
        program.stdin.close()


@pytest.fixture(scope="module")
def undisturbed(run):
    found = run(0, 0)
    assert found["status"] == 0 and found["told"] == [] and found["steps"] >= 700
    again = run(0, 0)
    assert {**again, "calls": []} == {**found, "calls": []}, "what is compared does not depend on time"
    return found


def lost(found, undisturbed):
    """Return what a run has not got, of all that an undisturbed one has."""
    return [key for key in ("metrics", "episodes", "steps", "weights") if found.get(key) != undisturbed[key]]


def verdict(found, undisturbed):
    """Return what is wrong with how a run took a fault; an empty string for nothing."""
    if found["status"] not in (0, 1, 2):
        return "it ended with a traceback"
    if found["leftovers"] and not found["status"]:
        return "something half written is left"
    if len(found["told"]) > 1 or not all(line.startswith(("warning: ", "error: ")) for line in found["told"]):
        return "it said more than a line"
    if found["status"] == 0:
        is_silent = not found["has_picture"] and not found["told"]
        return "it lost something" if lost(found, undisturbed) or is_silent else ""
    if len(found["told"]) != 1 or "/run" not in found["told"][0]:
        return "its error names no file"
    return "it ended when it had begun to train" if "steps" in found else ""


def calls_of(undisturbed, beginnings=("",)):
    return [i for i, (name, *_) in enumerate(undisturbed["calls"], 1) if name.startswith(beginnings)]


@pytest.mark.parametrize(("error", "beginnings"), [(errno.EIO, ("",)), (errno.ENOSPC, WRITING)])
def test_a_call_that_fails_once(run, undisturbed, error, beginnings):
    wrong = {}
    numbers = calls_of(undisturbed, beginnings)
    assert len(numbers) > 100
    for number in numbers:
        found = run(number, number, error)
        assert any(call[-1] == "FAILS" for call in found["calls"])
        if problem := verdict(found, undisturbed):
            wrong[number] = (
                problem,
                found["calls"][number - 1],
                found["status"],
                found["told"],
                lost(found, undisturbed),
            )
    assert not wrong, "\n".join(map(str, wrong.items()))


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_from_some_call_on(run, undisturbed, error):
    """Training ends with an error, for its last weights are not saved; what was there before stays whole."""
    begun = next(i for i, call in enumerate(undisturbed["calls"], 1) if "checkpoints/step" in call[-1])
    for number in range(begun, len(undisturbed["calls"]), 17):
        found = run(number, FOR_EVER, error)
        last = found["told"][-1] if found["told"] else ""
        assert (found["status"] == 0) <= (found.get("steps") == undisturbed["steps"]), (number, found["told"])
        assert found["status"] in (0, 1) and (last.startswith("error: ") or not found["status"]), found["told"]
