"""What a run that was killed as it started leaves of its fork server, and who removes it."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from hsuanwu.runtime import fork_server, server_folder
from tests.waiting import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no fork server elsewhere")

HOLDS = """
import sys
from multiprocessing import util
from hsuanwu.runtime import fork_server
if __name__ == "__main__":
    assert fork_server.hold()
    print(util.get_temp_dir(), flush=True)
    sys.stdin.read()
    fork_server.release()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder for temporary files; its path is short enough for a socket."""
    with tempfile.TemporaryDirectory() as path:
        monkeypatch.setenv("TMPDIR", path)
        monkeypatch.setattr(tempfile, "tempdir", path)
        yield path


def holding():
    """Return a process that holds a fork server, and the folder of it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLDS], **pipes)
    return process, process.stdout.readline().strip()


@pytest.mark.skipif(not fork_server._CAN_FORK, reason="processes are not forked here")
def test_the_next_start_removes_what_a_killed_one_has_left(folder):
    killed, left = holding()
    running, used = holding()
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)
    assert sorted(os.listdir(folder)) == sorted(map(os.path.basename, (left, used)))
    server_folder.sweep()
    assert os.listdir(folder) == [os.path.basename(used)], "and leaves the folder of one that runs"
    running.communicate("", timeout=PATIENCE)
    assert running.returncode == 0 and os.listdir(folder) == []


def test_folders_of_other_programs_stay(folder):
    os.mkdir(f"{folder}/pymp-theirs")
    server_folder.sweep()
    assert os.listdir(folder) == ["pymp-theirs"]
