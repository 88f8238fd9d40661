"""Every batch is exact, whoever makes it and whenever; whatever happens to the actors, the learner hears of it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import torch

from hsuanwu.common.registry import options
from hsuanwu.engine import batches as module
from hsuanwu.engine.batches import DirectBatches, PrefetchedBatches
from hsuanwu.runtime.transport import ActorError, LocalTransport, StoppedError, ThreadTransport
from tests.engine.late_cuda import Event, LateCuda, Stream
from tests.engine.numbered import ENVS, Expected, NumberedProgram, ScriptedEnd, launched

CPU = torch.device("cpu")
CONCURRENT = [cls for cls in options("transport").values() if cls.is_concurrent]


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("hsuanwu")] == []
    assert multiprocessing.active_children() == []


def prefetched(end, storage, num_slots, on_slots):
    return PrefetchedBatches(end, storage, num_slots, on_slots, CPU)


class Opened:
    """A transport and the batches from it; both are closed in the right order."""

    def __init__(self, transport_class, make, program=None, num_slots=2, **kwargs):
        self.expected = Expected()
        self.transport, self.end, storage = launched(transport_class, program or NumberedProgram(), **kwargs)
        self.batches = make(self.end, storage, num_slots, self.expected.note)

    def __enter__(self):
        return self.batches, self.expected

    def __exit__(self, *_):
        self.batches.close()
        self.transport.close()


def look_twice(batches, expected, count):
    """Take so many batches; each holds what it must when it comes, and still a moment later."""
    for _ in range(count):
        batch = batches.next()
        before = batch.map(torch.clone)
        expected.check(batch)
        time.sleep(1e-4)
        for name in ("observation", "action", "reward", "log_prob", "policy_version"):
            assert torch.equal(getattr(batch, name), getattr(before, name)), "overwritten while it was looked at"


@pytest.mark.parametrize("make", [DirectBatches, prefetched])
@pytest.mark.parametrize("num_slots", [1, 3])
@pytest.mark.parametrize("transport_class", options("transport").values())
def test_contents(transport_class, num_slots, make):
    with Opened(transport_class, make, num_slots=num_slots) as (batches, expected):
        look_twice(batches, expected, 20)
        assert batches.next().num_envs == num_slots * ENVS


@pytest.mark.parametrize("transport_class", CONCURRENT)
def test_many_tiny_batches(transport_class):
    with Opened(transport_class, prefetched) as (batches, expected):
        look_twice(batches, expected, 2000)


class NoHandshake(PrefetchedBatches):
    """Lets the thread fill a buffer while the learner reads it."""

    def next(self):
        batch = super().next()
        self._give_back()
        return batch


class OneBuffer(PrefetchedBatches):
    """Both buffers are the same."""

    def __init__(self, *args):
        buffer = module._Buffer()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_Buffer", lambda: buffer)
            super().__init__(*args)


class EarlyRelease(PrefetchedBatches):
    """Gives slots back before they are copied."""

    def _fill(self, buffer):
        end = self._end
        slots = end.collect(self._num_slots)
        end.release(slots)
        time.sleep(1e-4)
        self._end = ScriptedEnd(self._storage)
        self._end.collect = lambda count: slots
        try:
            return super()._fill(buffer)
        finally:
            self._end = end


class BorrowedNotes(PrefetchedBatches):
    """Does not copy what actors say of themselves."""

    def _fill(self, buffer):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_with_own_notes", lambda slot: slot)
            return super()._fill(buffer)


@pytest.mark.parametrize("mutant", [NoHandshake, OneBuffer, EarlyRelease, BorrowedNotes])
def test_mutants_are_caught(mutant):
    opened = Opened(ThreadTransport, lambda *parts: mutant(*parts, CPU))
    with opened as (batches, expected), pytest.raises(AssertionError):
        look_twice(batches, expected, 2000)


def settle(end, storage_end_count):
    """Wait until the thread has collected so much, and then whether it collects more."""
    deadline = time.monotonic() + 10
    while end.collected < storage_end_count and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    return end.collected


def test_never_more_than_one_batch_ahead():
    transport, _, storage = launched(LocalTransport, NumberedProgram())
    end = ScriptedEnd(storage)
    with PrefetchedBatches(end, storage, 1, lambda slots: None, CPU) as batches:
        for taken in range(20):
            assert settle(end, taken + 1) == taken + 1, "one batch waits while the learner has the one before"
            batches.next()
    transport.close()


@pytest.mark.parametrize("make", [DirectBatches, prefetched])
@pytest.mark.parametrize("transport_class", options("transport").values())
def test_a_dead_actor_is_heard_of(transport_class, make):
    with Opened(transport_class, make, NumberedProgram(fail_at=3)) as (batches, expected):
        with pytest.raises(ActorError, match="broken on purpose"):
            look_twice(batches, expected, 20)
        assert max(expected.rollouts) <= 3
        with pytest.raises(ActorError):
            for _ in range(20):
                batches.next()


@pytest.fixture
def released():
    """An event that frees hanging threads at the end of the test."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name.startswith("hsuanwu-actor"):
            thread.join(10)


@pytest.fixture
def short_joins(monkeypatch):
    for cls in CONCURRENT:
        monkeypatch.setattr(sys.modules[cls.__module__], "_JOIN_SECONDS", 0.3)


def hanging(transport_class, hang_at, released):
    return NumberedProgram(hang_at=hang_at, release=None if transport_class.shares_memory else released)


@pytest.mark.parametrize("transport_class", CONCURRENT)
def test_silent_actors_raise_a_timeout(transport_class, released, short_joins):
    opened = Opened(transport_class, DirectBatches, hanging(transport_class, 1, released), timeout_seconds=20)
    opened.batches.next()
    opened.end._timeout_seconds = 0.3
    opened.batches = prefetched(opened.end, None, 1, None)
    with opened as (batches, _):
        for _ in range(2):
            with pytest.raises(TimeoutError, match="transport.timeout_seconds"):
                batches.next()


@pytest.mark.parametrize("transport_first", [False, True])
@pytest.mark.parametrize("transport_class", CONCURRENT)
def test_close_while_the_thread_waits_for_actors(transport_class, transport_first, released, short_joins):
    opened = Opened(transport_class, prefetched, hanging(transport_class, 1, released))
    opened.batches.next()
    time.sleep(0.3)
    if transport_first:
        opened.transport.close()
    start = time.monotonic()
    opened.batches.close()
    assert time.monotonic() - start < 1
    assert not opened.batches._thread.is_alive()
    with pytest.raises(StoppedError):
        opened.batches.next()
    opened.batches.close()
    opened.transport.close()


@pytest.mark.parametrize("taken", [0, 1, 5])
@pytest.mark.parametrize("transport_class", options("transport").values())
def test_close_while_the_thread_waits_for_the_learner(transport_class, taken):
    opened = Opened(transport_class, prefetched)
    with opened as (batches, expected):
        look_twice(batches, expected, taken)
        time.sleep(0.05)
        start = time.monotonic()
        batches.close()
        assert time.monotonic() - start < 1
        with pytest.raises(StoppedError):
            batches.next()


def test_closed_at_any_moment():
    for attempt in range(50):
        with Opened(ThreadTransport, prefetched) as (batches, expected):
            look_twice(batches, expected, attempt % 4)
            time.sleep(attempt % 7 * 1e-4)


def test_direct_batches_close():
    with Opened(LocalTransport, DirectBatches) as (batches, _):
        batches.next()
        batches.close()
        with pytest.raises(StoppedError):
            batches.next()


def test_waiting_uses_no_processor_time(released, short_joins):
    program = hanging(ThreadTransport, 1, released)
    with Opened(ThreadTransport, prefetched, program) as (batches, _):
        batches.next()
        timer = threading.Timer(1.5, released.set)
        timer.start()
        start = time.process_time()
        batches.next()
        assert time.process_time() - start < 0.05
        timer.join()


def take_three(batches, expected):
    """Take three batches at once, and keep their notes until they are looked at."""
    notes = []
    for _ in range(3):
        yield batches.next()
        notes += expected.notes
        expected.notes.clear()
        time.sleep(0.001)
    expected.notes += notes


def take_ahead(batches, late_cuda, expected):
    """Take batches faster than the device copies them; each is whole when the learner's stream comes to it."""
    for _ in range(50):
        taken = list(take_three(batches, expected))
        late_cuda.learner_stream.synchronize()
        for batch in taken:
            expected.check(batch)
            assert {batch.observation.data_ptr(), batch.policy_version.data_ptr()} <= late_cuda.kept


def test_batches_for_a_device_that_is_late(monkeypatch):
    late_cuda = LateCuda(monkeypatch)
    opened = Opened(ThreadTransport, lambda *parts: PrefetchedBatches(*parts, torch.device("cuda:0")))
    with opened as (batches, expected):
        take_ahead(batches, late_cuda, expected)


@pytest.mark.parametrize("owner", [Event, Stream], ids=["thread", "learner"])
def test_a_missing_wait_is_caught(owner, monkeypatch):
    late_cuda = LateCuda(monkeypatch)
    monkeypatch.setattr(owner, "synchronize" if owner is Event else "wait_event", lambda *_: None)
    opened = Opened(ThreadTransport, lambda *parts: PrefetchedBatches(*parts, torch.device("cuda:0")))
    with opened as (batches, expected), pytest.raises(AssertionError, match="lost or overwritten|two actors"):
        take_ahead(batches, late_cuda, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_batches_on_cuda():
    """The device is kept busy, so that copies are late; a batch is read by kernels that come after."""
    device = torch.device("cuda:0")
    load = torch.randn(2000, 2000, device=device)
    with Opened(ThreadTransport, lambda *parts: PrefetchedBatches(*parts, device)) as (batches, expected):
        for _ in range(100):
            taken = []
            for batch in take_three(batches, expected):
                assert batch.observation.device == device
                for _ in range(5):
                    load = torch.tanh(load @ load)
                taken.append(batch.map(torch.clone))
            for batch in taken:
                expected.check(batch.map(lambda x: x.cpu()))


WAITING = textwrap.dedent("""
    import signal, sys, time
    import torch
    from hsuanwu.common.registry import options
    from hsuanwu.engine.batches import PrefetchedBatches
    from tests.engine.numbered import NumberedProgram, launched

    def terminate(*_):
        raise SystemExit(143)

    if __name__ == "__main__":
        signal.signal(signal.SIGTERM, terminate)
        transport_class = options("transport")[sys.argv[1]]
        sys.modules[transport_class.__module__]._JOIN_SECONDS = 0.3
        transport, end, storage = launched(transport_class, NumberedProgram(hang_at=1))
        try:
            with PrefetchedBatches(end, storage, 2, lambda slots: None, torch.device("cpu")) as batches:
                batches.next()
                print("waiting", flush=True)
                batches.next()
        finally:
            transport.close()
""")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", [name for name, cls in options("transport").items() if cls.is_concurrent])
def test_signals_end_the_wait(name, number, tmp_path):
    """Actors hang, the thread waits for them, and the learner for the thread."""
    script = tmp_path / "waiting.py"
    script.write_text(WAITING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])}
    with subprocess.Popen(
        [sys.executable, str(script), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as run:
        assert run.stdout.readline() == "waiting\n"
        time.sleep(0.5)
        start = time.monotonic()
        run.send_signal(number)
        _, err = run.communicate(timeout=30)
    assert time.monotonic() - start < 10
    assert run.returncode == (143 if number == signal.SIGTERM else -signal.SIGINT), err
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
