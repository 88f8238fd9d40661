"""What the memory of a process is, and how it is told."""

import os
import subprocess
import sys

import memory
import process_tree
import pytest

from tests.processes import wait_for_empty_group
from tests.waiting import PATIENCE, wait_until


def test_anonymous_memory_grows_with_what_is_allocated():
    before = memory.anonymous(os.getpid())
    block = bytearray(os.urandom(1 << 20) * 50)
    assert memory.anonymous(os.getpid()) - before > 40_000
    del block


def test_a_process_that_has_ended_has_none():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert memory.anonymous(process.pid) is None


def test_a_row_for_each_process():
    text = memory.table({7: [1024, 4096, 2048], 8: [512]}, learner=7)
    assert text.splitlines()[2:] == ["| learner | 1 | 2 | 4 | 3 |", "| actor or fork server | 0 | 0 | 0 | 1 |"]


def test_a_run_that_ends_is_an_error(monkeypatch):
    monkeypatch.setattr(memory, "START_SECONDS", 0.0)
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process:
        process.wait()
        with pytest.raises(SystemExit, match="exit status 3"):
            memory.watch(process, 1.0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_measurement_that_is_terminated_leaves_nothing_running():
    command = [sys.executable, memory.__file__, "impala_cartpole", "--overrides", "num_actors=2", "envs_per_actor=8"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as process:
        # learner, server, actors
        wait_until(lambda: len(process_tree.descendants(process.pid)) >= 4, "the processes of a run")
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and err.splitlines()[-1] == "error: terminated"
    wait_for_empty_group(process.pid)
