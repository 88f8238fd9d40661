"""Standard output and error that cannot be written do not end a command before its work is done."""

import subprocess
import sys

import pytest

from tests.waiting import PATIENCE

PROGRAM = """
import sys
from hsuanwu.common.streams import fill_streams, flush_streams, streams_kept

fill_streams()
with streams_kept():
    with streams_kept():
        print("one", flush=True)
        sys.stdout.close()
        sys.stdout = None
    print("two")
    print("three", file=sys.stderr)
    with open(sys.argv[1], "w") as file:
        file.write("done")
    try:
        flush_streams()
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
"""
FULL = "No space left on device"


def run(tmp_path, redirection, options=""):
    command = f'"{sys.executable}" {options} -c "$0" "$1" {redirection}'
    words = ["sh", "-c", command, PROGRAM, str(tmp_path / "done")]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert (tmp_path / "done").read_text() == "done", "what was to be done is done"
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("options", ["", "-u"])
def test_where_nothing_can_be_written_the_end_says_so(tmp_path, options):
    assert run(tmp_path, "", options) == (0, "one\ntwo\n", "three\n")
    assert run(tmp_path, ">/dev/full", options) == (1, "", f"three\nstandard output: {FULL}\n")
    assert run(tmp_path, "2>/dev/full", options) == (1, "one\ntwo\n", "")
    assert run(tmp_path, ">/dev/full 2>/dev/full", options) == (1, "", "")


@pytest.mark.parametrize("command", ["train", "plot", "check"])
def test_a_command_says_so_in_one_line(command):
    code = f"import sys; sys.argv[1:] = ['--version']; from hsuanwu.cli import {command}; {command}()"
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE
        )
    assert (ended.returncode, ended.stderr) == (1, f"error: standard output: {FULL}\n")
