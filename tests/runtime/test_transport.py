"""Every registered transport keeps the contract; the process transport survives what can happen to processes."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading

import pytest

from hsuanwu.common.errors import ConfigurationError, EnvironmentWarning
from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.runtime import fork_server
from hsuanwu.runtime.transport import ActorError, LocalTransport, ProcessTransport, process
from hsuanwu.testing import transport as contract
from hsuanwu.xploit.storage import TrajectoryStorage
from tests.processes import shared_files, wait_for_ends
from tests.waiting import PATIENCE


@pytest.mark.parametrize("name", options("transport"))
@pytest.mark.parametrize(
    "check",
    [
        "check_delivery",
        "check_weights",
        "check_refusals",
        "check_concurrency",
        "check_dead_actor",
        "check_stop",
        "check_close",
    ],
)
def test_contract(name, check):
    getattr(contract, check)(options("transport")[name])
    assert multiprocessing.active_children() == []
    assert not any(thread.name.startswith("hsuanwu") for thread in threading.enumerate())


def launch(program, **kwargs):
    transport = ProcessTransport(contract.make_storage(shared=True), contract.make_board(shared=True), **kwargs)
    return transport, transport.launch(program, 2)


def test_local_refuses_to_wait_for_slots_that_nobody_releases():
    transport = LocalTransport(contract.make_storage(shared=False), contract.make_board(shared=False))
    end = transport.launch(contract.CountingProgram(), 2)
    with pytest.raises(TimeoutError, match="release"):
        end.collect(5)


def test_launches_once():
    transport, _ = launch(contract.CountingProgram())
    with pytest.raises(RuntimeError, match="once"):
        transport.launch(contract.CountingProgram(), 2)
    transport.close()


def test_slots_may_be_many():
    """Python hands some 250 descriptors to a process that it starts, and no more."""
    storage = TrajectoryStorage(Box(-1, 1, (2,)), Discrete(3), 3, 1, 2, (), shared=True, slots_per_actor=200)
    board = contract.make_board(shared=True)
    board.publish(contract.make_weights(0))
    transport = ProcessTransport(storage, board)
    end = transport.launch(contract.CountingProgram(), 2)
    slots = end.collect(400)
    transport.close()
    assert sorted(slot.index for slot in slots) == list(range(400))
    rollouts = [[int(slot.trajectory.reward[0, 0]) for slot in slots if slot.actor == actor] for actor in range(2)]
    assert rollouts == [list(range(200))] * 2


def test_killed_actor_is_named_with_its_signal():
    transport, end = launch(contract.CountingProgram())
    end.release(end.collect(2))
    os.kill(transport._processes[1].pid, signal.SIGKILL)
    transport._processes[1].join(PATIENCE)
    with pytest.raises(ActorError, match="actor 1 died: its process was ended by signal 9"):
        for _ in range(10):  # those that it has filled, and a few of the other one's
            end.release(end.collect(1))
    transport.close()
    assert multiprocessing.active_children() == []


def test_silent_actors_raise_a_timeout_and_are_ended(monkeypatch):
    monkeypatch.setattr(process, "_JOIN_SECONDS", 0.2)
    transport, end = launch(contract.CountingProgram(hang_at=1))
    end.release(end.collect(2))
    end._timeout_seconds = 0.5  # not from the beginning: actors may take their time to start
    with pytest.raises(TimeoutError, match="transport.timeout_seconds"):
        end.collect(1)
    with pytest.warns(EnvironmentWarning, match=r"actor \d did not end within 1.2 s"):
        transport.close()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("seconds", [0, math.nan, math.inf, 1e12])
def test_timeout_must_be_one_that_the_system_can_wait(seconds):
    with pytest.raises(ConfigurationError, match=rf"transport.timeout_seconds: found {seconds}; use a number above 0,"):
        ProcessTransport(contract.make_storage(shared=True), contract.make_board(shared=True), timeout_seconds=seconds)


def test_the_longest_timeout_works():
    transport, end = launch(contract.CountingProgram(), timeout_seconds=1e6)
    end.release(end.collect(3))
    transport.close()


PARENT = textwrap.dedent("""
    import signal
    from hsuanwu.runtime import fork_server
    from hsuanwu.testing import transport as contract
    from hsuanwu.runtime.transport import ProcessTransport

    if __name__ == "__main__":
        transport = ProcessTransport(contract.make_storage(shared=True), contract.make_board(shared=True))
        end = transport.launch(contract.CountingProgram(), 2)
        end.release(end.collect(4))
        print(*(process.pid for process in transport._processes), fork_server._SERVER._forkserver_pid, flush=True)
        signal.pause()
""")


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_actors_end_with_a_learner_that_is_killed(tmp_path, number):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with tempfile.TemporaryDirectory() as folder:
        with subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": folder},
        ) as parent:
            line = parent.stdout.readline()  # where processes are not forked, there is no server: None
            used = os.listdir(folder)
            parent.send_signal(number)
            parent.wait(PATIENCE)
        assert used or not fork_server._CAN_FORK
        pids = [int(pid) for pid in line.split() if pid != "None"]
        assert len(pids) == 2 + fork_server._CAN_FORK, "two actors, and what they were forked from"
        wait_for_ends(pids)
        assert shared_files(parent.pid, *pids) == []
        assert os.listdir(folder) == []


@pytest.mark.filterwarnings("ignore:actor . did not end within:hsuanwu.common.errors.EnvironmentWarning")
def test_while_the_process_is_stopped_no_time_passes(monkeypatch):
    """After a pause of a day each wait is over at once, and actors have had no time either."""
    waits = []
    transport, end = launch(contract.CountingProgram(hang_at=0))
    try:
        end._timeout_seconds = 3.2
        monkeypatch.setattr(process, "wait", lambda ready, seconds: waits.append(seconds) or [])
        with pytest.raises(TimeoutError):
            end.collect(1)
        waits = [seconds for seconds in waits if seconds]
        assert len(waits) == 7 and sum(waits) == pytest.approx(3.2)
    finally:
        monkeypatch.undo()
        monkeypatch.setattr(process, "_JOIN_SECONDS", 0.2)
        transport.close()
