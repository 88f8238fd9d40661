"""Ctrl-C and SIGTERM wait until what must not be interrupted is done, and are never lost."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext

import pytest

from hsuanwu.common import interrupts
from hsuanwu.common.interrupts import (
    ENDING,
    Interrupted,
    Interruption,
    Terminated,
    interrupts_held,
    is_urgent,
    raise_again,
    signals_raised,
)
from tests.waiting import PATIENCE, join


class Stopped(BaseException):
    """What the handler of this test raises."""


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request):
    def handler(*_):
        raise Stopped

    before = signal.signal(request.param, handler)
    yield request.param
    assert signal.signal(request.param, before) is handler, "the handler was not put back"


def test_a_signal_waits_for_the_end(number):
    reached = []
    with pytest.raises(Stopped), interrupts_held():
        os.kill(os.getpid(), number)
        reached.append("done")
    assert reached == ["done"]


def test_without_a_signal_nothing_happens(number):
    with interrupts_held() as held, held.let_through():
        pass


def test_a_signal_that_has_arrived_comes_where_it_is_let_through_and_not_again(number):
    reached = []
    with interrupts_held() as held:
        os.kill(os.getpid(), number)
        reached.append("held")
        with pytest.raises(Stopped), held.let_through():
            reached.append("let through")
        reached.append("held again")
    assert reached == ["held", "held again"]


def test_what_arrives_while_let_through_interrupts_at_once_and_what_comes_after_is_held_again(number):
    reached = []
    with pytest.raises(Stopped), interrupts_held() as held:
        with pytest.raises(Stopped), held.let_through():
            signal.raise_signal(number)
            reached.append("not interrupted")
        signal.raise_signal(number)
        reached.append("done")
    assert reached == ["done"]


def test_an_error_inside_is_not_hidden_without_a_signal(number):
    with pytest.raises(ValueError, match="inside"), interrupts_held():
        raise ValueError("inside")


def test_held_twice(number):
    reached = []
    with pytest.raises(Stopped), interrupts_held():
        with interrupts_held():
            signal.raise_signal(number)
            reached.append("inner")
        reached.append("outer")
    assert reached == ["inner", "outer"]


def test_in_other_threads_nothing_is_done():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    found = []

    def work():
        with interrupts_held() as held, held.let_through():
            found.extend(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    join(thread)
    assert found == before


def test_what_a_signal_raised_in_vain_is_raised_again(monkeypatch):
    """In a destructor, say, whose exceptions Python drops."""

    class Dropped:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    with signals_raised(at_once=lambda: None):
        raise_again()
        Dropped()
        with pytest.raises(Terminated):
            raise_again()
    raise_again()


@pytest.mark.parametrize("number", ENDING)
def test_each_signal_raises_once_and_tells_its_number(number):
    with signals_raised(at_once=lambda: None):
        with pytest.raises(Interruption) as caught:
            signal.raise_signal(number)
        signal.raise_signal(number)  # once is enough: let the clean-up run
    if number == signal.SIGINT:
        assert isinstance(caught.value, Interrupted)
    else:
        assert caught.value.number == number and str(caught.value) == signal.Signals(number).name


@pytest.mark.slow
def test_tests_hear_signals_that_they_were_started_to_ignore():
    """As in a script's background job, where Ctrl-C and Ctrl-\\ are for others."""
    ignore = "import os, signal, sys; [signal.signal(x, signal.SIG_IGN) for x in map(int, sys.argv[1].split(','))]; "
    run = "os.execv(sys.executable, [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *sys.argv[2:]])"
    numbers = ",".join(str(int(number)) for number in ENDING)
    program = [sys.executable, "-c", ignore + run, numbers, __file__, "-k", "test_each_signal_raises_once"]
    found = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE)
    assert found.returncode == 0 and f"{len(ENDING)} passed" in found.stdout, found.stdout + found.stderr


def test_what_is_ignored_stays_ignored(monkeypatch):
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_raised(at_once=lambda: None), interrupts_held():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, handler)


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize(("second", "count"), [(signal.SIGINT, 1), (signal.SIGQUIT, 1), (signal.SIGTERM, 0)])
def test_ctrl_c_again_is_urgent(monkeypatch, is_held, second, count):
    """A terminal may send the same one twice, within a moment: that is one."""
    now, urgent = [100.0], []
    monkeypatch.setattr(interrupts, "monotonic", lambda: now[0])
    with signals_raised(at_once=lambda: urgent.append(1)):
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert not urgent and not is_urgent()
        now[0] += 1.0
        with interrupts_held() if is_held else nullcontext():
            signal.raise_signal(second)
            signal.raise_signal(second)
            assert len(urgent) == count and is_urgent() is bool(count)
    assert not is_urgent()
