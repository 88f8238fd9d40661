"""Actors are forked from a process that knows what they need; it is there while somebody needs it."""

import contextlib
import importlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

from hsuanwu.runtime import fork_server
from hsuanwu.runtime.transport import ActorError, ProcessTransport
from hsuanwu.testing import transport as contract
from tests.processes import is_alive, wait_for_ends
from tests.waiting import PATIENCE

pytestmark = pytest.mark.skipif(not fork_server._CAN_FORK, reason="this system forks no actors")

SERVER = fork_server._SERVER
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_server_before_and_after():
    if SERVER._forkserver_pid is not None:  # other tests used Python's own
        SERVER._stop()
    yield
    assert SERVER._forkserver_pid is None, "the server was left behind"


class Look:
    """An actor that says, in the traceback of the exception that ends it, what it finds around itself."""

    def run(self, end, index):
        found = {
            "variables": {key: os.environ.get(key) for key in ("HSUANWU_NEW", "HSUANWU_GONE", "OPENBLAS_NUM_THREADS")},
            "folder": os.getcwd(),
            "path": sys.path,
            "random": [random.random(), float(np.random.random())],
            "threads": len(os.listdir("/proc/self/task")),
            "imported in": getattr(sys.modules.get("imported_by_server"), "PROCESS", None),
            "at ctrl-c": repr(signal.getsignal(signal.SIGINT)),
            "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        }
        raise ValueError(json.dumps(found))
        yield


def look(count=2):
    """Return what each of ``count`` actors finds."""
    found = []
    for _ in range(count):
        transport = ProcessTransport(contract.make_storage(shared=True), contract.make_board(shared=True))
        end = transport.launch(Look(), 2)
        with pytest.raises(ActorError) as caught:
            end.collect(1)
        transport.close()
        found.append(json.loads(str(caught.value).rpartition("ValueError: ")[2]))
    return found


def test_the_last_to_release_it_stops_it():
    fork_server.hold()
    pid = SERVER._forkserver_pid
    fork_server.hold()
    assert SERVER._forkserver_pid == pid
    fork_server.release()
    assert is_alive(pid)
    fork_server.release()
    assert not is_alive(pid)


@pytest.fixture
def slow_import(tmp_path):
    """Make a module, ``slow_import``, whose import ends when a pipe is closed; return the pipe's path."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "slow_import.py").write_text(f"open({str(pipe)!r}).read()\n")
    return pipe


def test_its_imports_are_not_waited_for(slow_import, monkeypatch):
    monkeypatch.syspath_prepend(slow_import.parent)
    monkeypatch.setattr(fork_server, "_NEEDED_BY_ACTORS", ["slow_import"])
    fork_server.hold()
    pid = SERVER._forkserver_pid
    with slow_import.open("w"):  # opens when the import has begun
        fork_server.release()
        assert not is_alive(pid)


def test_a_server_of_others_is_left_alone():
    multiprocessing.forkserver.ensure_running()
    pid = SERVER._forkserver_pid
    fork_server.hold()
    fork_server.release()
    assert SERVER._forkserver_pid == pid and is_alive(pid)
    SERVER._stop()


def test_a_server_that_others_use_is_left_alone():
    fork_server.hold()
    assert SERVER._preload_modules != fork_server._NEEDED_BY_ACTORS, "what others load is theirs"
    process = multiprocessing.get_context("forkserver").Process(target=signal.pause)
    process.start()
    fork_server.release()
    assert is_alive(SERVER._forkserver_pid) and process.is_alive()
    process.terminate()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGTERM
    SERVER._stop()


def test_nothing_is_left_where_ctrl_c_came_while_it_started(monkeypatch):
    def interrupted():
        real()
        raise KeyboardInterrupt

    real = multiprocessing.forkserver.ensure_running
    monkeypatch.setattr(multiprocessing.forkserver, "ensure_running", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fork_server.hold()
    monkeypatch.undo()
    fork_server.hold()  # it counts from the beginning
    fork_server.release()


@pytest.mark.parametrize("reason", ["another system", "no room for its socket"])
def test_actors_are_spawned_where_there_can_be_no_server(monkeypatch, reason):
    if reason == "another system":
        monkeypatch.setattr(fork_server, "_CAN_FORK", False)
    else:
        monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
        monkeypatch.delitem(multiprocessing.current_process()._config, "tempdir", raising=False)
    assert not fork_server.hold()
    (found,) = look(1)
    assert "<lambda>" in found["at ctrl-c"] and SERVER._forkserver_pid is None


def test_launch_brings_its_own_and_close_takes_it_away():
    look(1)
    assert multiprocessing.active_children() == []


def test_actors_find_what_is_around_their_learner(monkeypatch, tmp_path):
    monkeypatch.setenv("HSUANWU_GONE", "1")
    fork_server.hold()
    try:
        monkeypatch.delenv("HSUANWU_GONE")
        monkeypatch.setenv("HSUANWU_NEW", "2")
        monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path / "modules")
        one, two = look()
    finally:
        fork_server.release()
    assert one["variables"] == {"HSUANWU_NEW": "2", "HSUANWU_GONE": None, "OPENBLAS_NUM_THREADS": None}
    assert one["folder"] == str(tmp_path) and str(tmp_path / "modules") in one["path"]
    assert "<lambda>" in one["at ctrl-c"], "the learner alone decides what Ctrl-C means"
    assert not one["blocked"], "what an environment starts would not hear it"
    for x, y in zip(one["random"], two["random"], strict=True):
        assert x != y, "two actors share a global generator"


def test_the_environment_of_the_learner_stays_as_it_is(monkeypatch):
    for value in (None, "3"):
        for name in ("OPENBLAS_NUM_THREADS", "PYTHONPATH", "PYTHONSAFEPATH"):
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        before = dict(os.environ)
        fork_server.hold()
        fork_server.release()
        assert dict(os.environ) == before


def test_the_server_has_one_thread_and_forks_what_it_has_imported(monkeypatch, tmp_path):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "imported_by_server.py").write_text("import os\nPROCESS = os.getpid()\n")
    monkeypatch.syspath_prepend(tmp_path)
    needed = [*fork_server._NEEDED_BY_ACTORS, "imported_by_server"]
    monkeypatch.setattr(fork_server, "_NEEDED_BY_ACTORS", needed)
    fork_server.hold()
    try:
        (found,) = look(1)
        assert found["imported in"] == SERVER._forkserver_pid
        assert len(os.listdir(f"/proc/{SERVER._forkserver_pid}/task")) == 1, "threads do not survive a fork"
        assert found["threads"] == 2, "its own, and the one that waits for the learner's end"
    finally:
        fork_server.release()


@pytest.mark.parametrize("name", fork_server._NEEDED_BY_ACTORS)
def test_what_it_imports_is_there(name):
    """It says nothing of a module that it cannot find."""
    importlib.import_module(name)


def test_it_imports_what_its_parent_would(tmp_path):
    """A script's path begins with the folder of the script, a server's would with the current one."""
    for folder in ("here", "scripts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "here/numpy.py").write_text("raise SystemExit('another numpy')")
    script = tmp_path / "scripts/script.py"
    script.write_text(
        "from tests.runtime.test_fork_server import fork_server, look\n"
        "if __name__ == '__main__':\n"
        "    fork_server.hold()\n"
        "    print(len(look()))\n"
        "    fork_server.release()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONSAFEPATH", None)
    result = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path / "here",
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (result.stdout, result.stderr) == ("2\n", "")


PARENT = textwrap.dedent("""
    import multiprocessing, signal, sys
    from hsuanwu.runtime import fork_server

    if __name__ == "__main__":
        moment, end = sys.argv[1:]
        if moment == "importing":
            fork_server._NEEDED_BY_ACTORS[:] = ["slow_import"]
        fork_server.hold()
        if moment == "waiting":
            process = multiprocessing.get_context("forkserver").Process(target=int)
            process.start()
            process.join()
        print(fork_server._SERVER._forkserver_pid, flush=True)
        if end == "wait":
            signal.pause()
""")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["importing", "waiting"])
def test_it_ends_with_its_parent(slow_import, number, moment):
    script = slow_import.with_name("parent.py")
    script.write_text(PARENT)
    with tempfile.TemporaryDirectory() as folder:  # what a killed parent leaves there is an empty folder
        parent = subprocess.Popen(
            [sys.executable, str(script), moment, "wait"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": folder},
        )
        pid = int(parent.stdout.readline())
        with slow_import.open("w") if moment == "importing" else contextlib.nullcontext():
            parent.send_signal(number)
            parent.wait(PATIENCE)
        wait_for_ends([pid])
        parent.communicate()


def test_it_ends_with_a_parent_that_forgets_it(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    command = [sys.executable, str(script), "anywhere", "end"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    wait_for_ends([int(result.stdout)])
    assert result.stderr == ""


def test_ctrl_c_does_not_reach_it():
    fork_server.hold()
    pid = SERVER._forkserver_pid
    for _ in range(2):  # while it imports, and while it waits
        os.kill(pid, signal.SIGINT)
        look(1)
        assert SERVER._forkserver_pid == pid and is_alive(pid), "another one had to be started"
    fork_server.release()


def test_a_server_that_is_killed_while_it_starts_an_actor_is_a_line(monkeypatch):
    from multiprocessing import popen_forkserver

    servers = []

    def answers_nothing(_):
        servers.append(SERVER._forkserver_pid)
        os.kill(SERVER._forkserver_pid, signal.SIGKILL)
        raise EOFError("unexpected EOF")

    monkeypatch.setattr(popen_forkserver.forkserver, "read_signed", answers_nothing)
    transport = ProcessTransport(contract.make_storage(shared=True), contract.make_board(shared=True))
    with pytest.raises(ActorError, match="actor 0 died: the server that starts actors was killed"):
        transport.launch(contract.CountingProgram(), 2)
    wait_for_ends(servers)


def test_processes_are_told_a_start_method_that_they_know(monkeypatch):
    """In a worker of joblib's it is ``loky``, which Python alone does not have."""
    from multiprocessing import context

    class Strange(context.BaseContext):
        _name = "strange"

    strange = Strange()
    monkeypatch.setitem(context._concrete_contexts, "strange", strange)
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("strange", force=True)
    try:
        with fork_server.start_method_known():
            assert multiprocessing.get_start_method() in ("spawn", "forkserver")
        assert multiprocessing.get_start_method() == "strange"
        assert len(look()) == 2
    finally:
        multiprocessing.set_start_method(before, force=True)
