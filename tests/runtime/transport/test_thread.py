"""The thread transport: everything of an actor happens in one thread, which ends with the transport."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.runtime import group, inference, waiting
from hsuanwu.runtime.transport import ActorError, ThreadTransport
from hsuanwu.runtime.transport import thread as module
from hsuanwu.runtime.weights import Weights
from hsuanwu.testing import transport as contract
from tests import test_faults
from tests.processes import wait_for_empty_group
from tests.runtime.cpu_graph import CpuTorch
from tests.runtime.test_zero_lag import TOLERANCE, largest_error
from tests.runtime.test_zero_lag import program as whole_program
from tests.runtime.watched import WatchedQueue
from tests.waiting import PATIENCE, join


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("hsuanwu")]


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert threads() == []


def launch(program, **kwargs):
    board = contract.make_board(shared=False)
    board.publish(contract.make_weights(0))
    transport = ThreadTransport(contract.make_storage(shared=False), board, **kwargs)
    return transport, transport.launch(program, 2)


class Witness:
    """An actor that writes down where it is."""

    def __init__(self):
        self.seen = [set(), set()]
        self.closed = [0, 0]
        self.modes = []

    def run(self, end, index):
        note = self.seen[index].add
        try:
            note(threading.current_thread())
            self.modes.append((torch.is_inference_mode_enabled(), torch.is_grad_enabled()))
            while (slot := end.acquire()) is not None:
                note(threading.current_thread())
                end.commit(slot)
                yield
        finally:
            note(threading.current_thread())
            self.closed[index] += 1


def test_everything_of_an_actor_happens_in_one_thread_of_its_own():
    witness = Witness()
    transport, end = launch(witness)
    for _ in range(10):
        end.release(end.collect(2))
    assert len(threads()) == 2
    transport.close()
    assert witness.closed == [1, 1]
    assert [len(seen) for seen in witness.seen] == [1, 1]
    assert len(set.union(*witness.seen)) == 2 and threading.main_thread() not in set.union(*witness.seen)


def test_the_mode_of_the_learner_is_not_that_of_the_actors():
    witness = Witness()
    with torch.inference_mode():
        transport, end = launch(witness)
        end.collect(4)
    transport.close()
    assert witness.modes == [(False, True)] * 2


@pytest.mark.parametrize("case", [("cartpole", True, 20), ("pendulum", False, 5)], ids=lambda case: case[0])
def test_real_actors_act_as_the_learner_learns(case):
    """Inference mode in the actors' threads does not reach the learner, which takes gradients meanwhile."""
    with whole_program(*case, ThreadTransport) as run:
        assert largest_error(run) < TOLERANCE
        batch = run.collect()
        cfgs = {"learner": {}}
        run.learner.update(cfgs, run.learner.actor, run.learner.learner, batch, batch.init_state,
                           run.learner.optimizer, None)  # fmt: skip
        assert all(weight.grad.abs().sum() > 0 for weight in run.learner.learner.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("case", [("cartpole", True, 20), ("pendulum", False, 5), ("multi_discrete", True, 5)])
def test_real_actors_on_a_gpu_act_as_the_processor_learns(case, overlap):
    """Several record at the same time, on streams of their own, with weights from a board on the GPU."""
    with whole_program(*case, ThreadTransport, overlap=overlap, device="cuda:0") as run:
        assert largest_error(run) < 10 * TOLERANCE


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("case", [("cartpole", True, 20), ("pendulum", False, 5), ("memory", True, 5)])
def test_real_actors_that_replay_act_as_the_learner_learns(case, overlap, monkeypatch):
    """The same without a GPU: two threads record and replay by a twin of CUDA graphs."""
    monkeypatch.setattr(inference, "torch", CpuTorch())
    monkeypatch.setattr(group, "make_inference", inference.GraphInference)
    with whole_program(*case, ThreadTransport, overlap=overlap) as run:
        assert largest_error(run) < TOLERANCE
        run.learner.actor.load_state_dict(changed(run.learner.learner))
        run.end.publish(Weights(1, run.learner.actor.state_dict()))
        run.collect_until_all_act_with(1)
        assert largest_error(run) < TOLERANCE


def changed(policy):
    """Return weights that choose otherwise, after they have been given to ``policy``."""
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(-0.5)
    return policy.state_dict()


def test_intraop_threads_of_the_learner_stay():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        counts = []

        class Program(contract.CountingProgram):
            def run(self, end, index):
                counts.append(torch.get_num_threads())
                yield from super().run(end, index)

        transport, end = launch(Program())
        end.collect(4)
        transport.close()
        assert counts == [1, 1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Ending:
    """An actor that ends in some way after a few rollouts."""

    def __init__(self, end_with):
        self._end_with = end_with

    def run(self, end, index):
        for _ in range(2):
            end.commit(end.acquire())
            yield
        self._end_with()


def raise_system_exit():
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("end_with", "message"), [(raise_system_exit, "SystemExit: 3"), (lambda: None, "ended without being told to")]
)
def test_an_actor_that_ends_is_heard_of_again_and_again(end_with, message):
    transport, end = launch(Ending(end_with))
    with pytest.raises(ActorError, match=message):
        for _ in range(10):
            end.release(end.collect(1))
    for _ in range(2):
        with pytest.raises(ActorError, match=message):
            end.collect(5)  # more than they have filled
    transport.close()


def test_launches_once():
    transport, _ = launch(contract.CountingProgram())
    with pytest.raises(RuntimeError, match="once"):
        transport.launch(contract.CountingProgram(), 2)
    transport.close()


def test_timeout_must_be_positive():
    with pytest.raises(ConfigurationError, match="transport.timeout_seconds: found -1"):
        launch(contract.CountingProgram(), timeout_seconds=-1)


def test_threads_that_cannot_start_are_no_half_launch(monkeypatch):
    start, count = threading.Thread.start, itertools.count()

    def refuse(thread):
        if next(count) == 1:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        launch(contract.CountingProgram())
    assert threads() == []


class Hanging:
    """An actor that hangs until it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.acquired = []

    def run(self, end, index):
        slot = end.acquire()
        if index == 1:
            end.commit(slot)
            yield
        self.let_go.wait()
        self.acquired += [end.acquire(), end.acquire()]


def test_an_actor_that_hangs_is_left_behind_and_ends_by_itself(monkeypatch):
    monkeypatch.setattr(module, "_JOIN_SECONDS", 0.2)
    hanging = Hanging()
    transport, end = launch(hanging)
    held = end.collect(1)
    end._timeout_seconds = 0.3  # not from the beginning: actors may take their time to start
    with pytest.raises(TimeoutError, match="silent for 0.3 s.*transport.timeout_seconds"):
        end.collect(1)
    transport.close()
    transport.close()
    end.release(held)
    left = threads()
    assert len(left) == 2 and all(thread.daemon for thread in left)
    hanging.let_go.set()
    for thread in left:
        join(thread)
    assert hanging.acquired == [None] * 4


def test_waiting_is_left_to_the_system(monkeypatch):
    """The actors wait for slots, then the learner for actors: each asks once, and not again and again."""
    monkeypatch.setattr(module, "SimpleQueue", WatchedQueue)
    monkeypatch.setattr(waiting, "_SLICE_SECONDS", PATIENCE)
    transport, end = launch(contract.CountingProgram())
    end.collect(4)
    for actor_end in transport._ends:
        actor_end._free.wait_for_reader()
        assert actor_end._free.num_gets == 3, "two slots, and none that comes"
    num_gets = end._arrivals.num_gets
    stopper = threading.Thread(target=lambda: (end._arrivals.wait_for_reader(), end.stop()))
    stopper.start()
    with pytest.raises(RuntimeError, match="stopped"):
        end.collect(1)
    assert end._arrivals.num_gets == num_gets + 1
    join(stopper)
    transport.close()


PARENT = textwrap.dedent("""
    import signal, sys
    from hsuanwu.testing import transport as contract
    from hsuanwu.runtime.transport import ThreadTransport, thread

    def terminate(*_):
        raise SystemExit(143)

    class Program(contract.CountingProgram):
        def run(self, end, index):
            yield from super().run(end, index)
            sys.stderr.write("closed. ")

    if __name__ == "__main__":
        signal.signal(signal.SIGTERM, terminate)
        hang_at = None if sys.argv[1] == "None" else int(sys.argv[1])
        if hang_at is not None:
            thread._JOIN_SECONDS = 0.5
        transport = ThreadTransport(contract.make_storage(shared=False), contract.make_board(shared=False))
        end = transport.launch(Program(hang_at=hang_at), 2)
        if sys.argv[2] == "elsewhere":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        print("collecting", flush=True)
        if sys.argv[2] != "forget":
            while True:
                slots = end.collect(1)
                print("collected", flush=True)
                end.release(slots)
        end.collect(2)
""")


def run_parent(tmp_path, hang_at, task, number=None, num_slots=0):
    """Return status and errors of a program that gets a signal, if at all, when it has collected so many slots."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, str(script), str(hang_at), task], **pipes) as parent:
        assert parent.stdout.readline() == "collecting\n"
        for _ in range(num_slots):
            assert parent.stdout.readline() == "collected\n"
        if number is not None:
            parent.send_signal(number)
        _, err = parent.communicate(timeout=PATIENCE)
    return parent.returncode, err


HANGING = pytest.mark.parametrize("hang_at", [None, 1], ids=["busy", "hanging"])
SLOTS_UNTIL_ALL_HANG = 2


@HANGING
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)])
def test_signals_reach_a_learner_that_waits(tmp_path, number, status, hang_at):
    found, err = run_parent(tmp_path, hang_at, "collect", number, SLOTS_UNTIL_ALL_HANG)
    assert found == status, err
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    assert "Fatal" not in err and "Exception ignored" not in err


def test_a_signal_that_another_thread_gets_reaches_a_learner_that_waits(tmp_path):
    status, err = run_parent(tmp_path, 1, "elsewhere", signal.SIGINT, SLOTS_UNTIL_ALL_HANG)
    assert status in (1, -signal.SIGINT) and "KeyboardInterrupt" in err


@HANGING
def test_a_program_that_forgets_to_close_ends(tmp_path, hang_at):
    assert run_parent(tmp_path, hang_at, "forget") == (0, "closed. closed. " if hang_at is None else "")


@pytest.mark.slow
@HANGING
def test_ends_at_any_moment(tmp_path, hang_at):
    for attempt in range(20):
        num_slots = attempt if hang_at is None else attempt % (SLOTS_UNTIL_ALL_HANG + 1)
        status, err = run_parent(tmp_path, hang_at, "collect", signal.SIGINT, num_slots)
        assert status == -signal.SIGINT, err
        assert "Fatal" not in err, err


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")
@pytest.mark.parametrize("ending", test_faults.ENDINGS)
def test_whole_runs_end(ending, tmp_path, monkeypatch):
    train = [word.replace("transport=process", "transport=thread") for word in test_faults.TRAIN]
    assert train != test_faults.TRAIN
    monkeypatch.setattr(test_faults, "TRAIN", train)
    arguments, number, expected = test_faults.ENDINGS[ending]
    with test_faults.start(*arguments, f"run_dir={tmp_path / 'run'}") as run:
        if number is not None:
            test_faults.wait_for_metrics(tmp_path / "run", run)
            run.send_signal(number)
        _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == expected, err
    assert "Fatal" not in err and "terminate called" not in err
    wait_for_empty_group(run.pid)
    assert list(tmp_path.glob("run/checkpoints/step_*.pt"))
