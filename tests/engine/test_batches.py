"""Every batch is exact, whoever makes it and whenever; whatever happens to the actors, the learner hears of it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from hsuanwu.common.registry import options
from hsuanwu.engine import batches as module
from hsuanwu.engine.batches import DirectBatches, PrefetchedBatches
from hsuanwu.runtime import waiting
from hsuanwu.runtime.transport import ActorError, LocalTransport, StoppedError, ThreadTransport, thread
from tests.engine.late_cuda import Event, LateCuda, Stream
from tests.engine.numbered import ENVS, Expected, NumberedProgram, ScriptedEnd, launched
from tests.runtime.watched import WatchedQueue
from tests.waiting import PATIENCE, join, wait_for

CPU = torch.device("cpu")
CONCURRENT = [cls for cls in options("transport").values() if cls.is_concurrent]


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert [x.name for x in threading.enumerate() if x.name.startswith("hsuanwu")] == []
    assert multiprocessing.active_children() == []


def prefetched(end, storage, num_slots, on_slots):
    return PrefetchedBatches(end, storage, num_slots, on_slots, CPU)


class Opened:
    """A transport and the batches from it; both are closed in the right order."""

    def __init__(self, transport_class, make, program=None, num_slots=2):
        self.expected = Expected()
        with pytest.MonkeyPatch.context() as patch:
            for place in (module, thread):
                patch.setattr(place, "SimpleQueue", WatchedQueue)
            self.transport, self.end, self.storage = launched(transport_class, program or NumberedProgram())
            self.batches = make(self.end, self.storage, num_slots, self.expected.note)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.batches.close()
        self.transport.close()

    def settle(self):
        """Return when all that is done without the learner has been done, in the threads of this process at least."""
        if isinstance(self.batches, PrefetchedBatches):
            self.batches._free.wait_for_reader(self.batches._thread)
        if isinstance(self.transport, ThreadTransport):
            wait_for_actors(self.transport)

    def look(self, count):
        """Take so many batches; each holds what it must."""
        for _ in range(count):
            self.expected.check(self.batches.next())

    def look_twice(self, count):
        """Take so many batches; each holds what it must when it comes, and still when all others have moved on."""
        for _ in range(count):
            batch = self.batches.next()
            before = batch.map(torch.clone)
            self.settle()
            for name in ("observation", "action", "reward", "log_prob", "policy_version"):
                assert torch.equal(getattr(batch, name), getattr(before, name)), "overwritten while it was looked at"
            self.expected.check(batch)

    def take_three(self):
        """Take three batches at once, and keep their notes until they are looked at."""
        notes = []
        for _ in range(3):
            yield self.batches.next()
            notes += self.expected.notes
            self.expected.notes.clear()
            self.settle()
        self.expected.notes += notes


def wait_for_actors(transport):
    """Return when all actors of a transport of threads wait for slots."""
    for end, actor in zip(transport._ends, transport._threads, strict=True):
        end._free.wait_for_reader(actor)


@pytest.mark.parametrize("make", [DirectBatches, prefetched])
@pytest.mark.parametrize("num_slots", [1, 3])
@pytest.mark.parametrize("transport_class", options("transport").values())
def test_contents(transport_class, num_slots, make):
    with Opened(transport_class, make, num_slots=num_slots) as opened:
        opened.look_twice(20)
        assert opened.batches.next().num_envs == num_slots * ENVS


@pytest.mark.parametrize("transport_class", CONCURRENT)
def test_many_tiny_batches(transport_class):
    with Opened(transport_class, prefetched) as opened:
        opened.look(2000)


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
        for actor_end in end._ends:
            actor_end._free.wait_for_reader()
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
    with opened, pytest.raises(AssertionError):
        opened.look_twice(5)


def test_never_more_than_one_batch_ahead(monkeypatch):
    monkeypatch.setattr(module, "SimpleQueue", WatchedQueue)
    transport, _, storage = launched(LocalTransport, NumberedProgram())
    end = ScriptedEnd(storage)
    with PrefetchedBatches(end, storage, 1, lambda slots: None, CPU) as batches:
        for taken in range(20):
            batches._free.wait_for_reader()
            assert end.collected == taken + 1, "one batch waits while the learner has the one before"
            batches.next()
    transport.close()


@pytest.mark.parametrize("make", [DirectBatches, prefetched])
@pytest.mark.parametrize("transport_class", options("transport").values())
def test_a_dead_actor_is_heard_of(transport_class, make):
    with Opened(transport_class, make, NumberedProgram(fail_at=3)) as opened:
        with pytest.raises(ActorError, match="broken on purpose"):
            opened.look_twice(20)
        assert max(opened.expected.rollouts) <= 3
        with pytest.raises(ActorError):
            for _ in range(20):
                opened.batches.next()


@pytest.fixture
def released():
    """An event that frees hanging threads at the end of the test."""
    event = threading.Event()
    yield event
    event.set()
    for actor in threading.enumerate():
        if actor.name.startswith("hsuanwu-actor"):
            join(actor)


@pytest.fixture
def short_joins(monkeypatch):
    for cls in CONCURRENT:
        monkeypatch.setattr(sys.modules[cls.__module__], "_JOIN_SECONDS", 0.3)


THEY_HANG = pytest.mark.filterwarnings("ignore:actor . did not end within:hsuanwu.common.errors.EnvironmentWarning")


def hanging(transport_class, hang_at, released):
    return NumberedProgram(hang_at=hang_at, release=None if transport_class.shares_memory else released)


@THEY_HANG
@pytest.mark.parametrize("transport_class", CONCURRENT)
def test_silent_actors_raise_a_timeout(transport_class, released, short_joins):
    opened = Opened(transport_class, DirectBatches, hanging(transport_class, 1, released))
    opened.batches.next()
    opened.end._timeout_seconds = 0.3  # not from the beginning: actors may take their time to start
    opened.batches = prefetched(opened.end, None, 1, None)
    with opened:
        for _ in range(2):
            with pytest.raises(TimeoutError, match="transport.timeout_seconds"):
                opened.batches.next()


@THEY_HANG
@pytest.mark.parametrize("transport_first", [False, True])
@pytest.mark.parametrize("transport_class", CONCURRENT)
def test_close_while_the_thread_waits_for_actors(transport_class, transport_first, released, short_joins):
    opened = Opened(transport_class, prefetched, hanging(transport_class, 1, released))
    opened.batches._free.wait_for_reader()
    is_asked = watch(opened.end, "collect")
    opened.batches.next()
    wait_for(is_asked, "the thread to ask for slots")
    if transport_first:
        opened.transport.close()
    opened.batches.close()
    assert not opened.batches._thread.is_alive()
    with pytest.raises(StoppedError):
        opened.batches.next()
    opened.batches.close()
    opened.transport.close()


@pytest.mark.parametrize("taken", [0, 1, 5])
@pytest.mark.parametrize("transport_class", options("transport").values())
def test_close_while_the_thread_waits_for_the_learner(transport_class, taken):
    with Opened(transport_class, prefetched) as opened:
        opened.look_twice(taken)
        opened.settle()
        opened.batches.close()
        with pytest.raises(StoppedError):
            opened.batches.next()


def watch(part, method, until=None):
    """Return an event that is set when a method is called; the call goes on when ``until`` is set."""
    is_reached, right = threading.Event(), getattr(part, method)

    def watched(*args):
        is_reached.set()
        if until is not None:
            wait_for(until, "leave to go on")
        return right(*args)

    setattr(part, method, watched)
    return is_reached


@pytest.mark.parametrize(("part", "method"), [("end", "collect"), ("storage", "batch"), ("end", "release")])
def test_closed_wherever_the_thread_is(part, method):
    opened = Opened(ThreadTransport, prefetched)
    opened.settle()
    is_reached = watch(getattr(opened, part), method, until=watch(opened.end, "stop"))
    opened.batches.next()
    wait_for(is_reached, method)
    opened.batches.close()
    assert not opened.batches._thread.is_alive()
    opened.transport.close()


def test_closed_at_any_moment():
    for attempt in range(50):
        with Opened(ThreadTransport, prefetched) as opened:
            opened.look(attempt % 4)


def test_direct_batches_close():
    with Opened(LocalTransport, DirectBatches) as opened:
        opened.batches.next()
        opened.batches.close()
        with pytest.raises(StoppedError):
            opened.batches.next()


def test_waiting_is_left_to_the_system(released, short_joins, monkeypatch):
    """The thread waits for actors, and the learner for the thread: each asks once, and not again and again."""
    monkeypatch.setattr(waiting, "_SLICE_SECONDS", PATIENCE)
    with Opened(ThreadTransport, prefetched, hanging(ThreadTransport, 1, released)) as opened:
        opened.batches.next()
        queues = opened.batches._ready, opened.end._arrivals
        waiter = threading.Thread(target=lambda: ([x.wait_for_reader() for x in queues], released.set()))
        waiter.start()
        opened.batches.next()
        join(waiter)
        opened.settle()
        assert [queue.num_gets for queue in queues] == [2, 6], "two batches, and the slots of one more"


def take_ahead(opened, late_cuda):
    """Take batches when all others have done what they can; each is whole when the learner's stream comes to it."""
    for _ in range(10):
        taken = list(opened.take_three())
        late_cuda.learner_stream.synchronize()
        for batch in taken:
            opened.expected.check(batch)
            assert {batch.observation.data_ptr(), batch.policy_version.data_ptr()} <= late_cuda.kept


def test_batches_for_a_device_that_is_late(monkeypatch):
    late_cuda = LateCuda(monkeypatch)
    opened = Opened(ThreadTransport, lambda *parts: PrefetchedBatches(*parts, torch.device("cuda:0")))
    with opened:
        take_ahead(opened, late_cuda)


@pytest.mark.parametrize("owner", [Event, Stream], ids=["thread", "learner"])
def test_a_missing_wait_is_caught(owner, monkeypatch):
    late_cuda = LateCuda(monkeypatch)
    monkeypatch.setattr(owner, "synchronize" if owner is Event else "wait_event", lambda *_: None)
    opened = Opened(ThreadTransport, lambda *parts: PrefetchedBatches(*parts, torch.device("cuda:0")))
    with opened, pytest.raises(AssertionError, match="lost or overwritten|two actors"):
        take_ahead(opened, late_cuda)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_batches_on_cuda():
    """The device is kept busy, so that copies are late; a batch is read by kernels that come after."""
    device = torch.device("cuda:0")
    load = torch.randn(2000, 2000, device=device)
    with Opened(ThreadTransport, lambda *parts: PrefetchedBatches(*parts, device)) as opened:
        for _ in range(100):
            taken = []
            for batch in opened.take_three():
                assert batch.observation.device == device
                for _ in range(5):
                    load = torch.tanh(load @ load)
                taken.append(batch.map(torch.clone))
            for batch in taken:
                opened.expected.check(batch.map(lambda x: x.cpu()))


WAITING = textwrap.dedent("""
    import signal, sys
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
        run.send_signal(number)
        _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == (143 if number == signal.SIGTERM else -signal.SIGINT), err
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
