"""Ctrl-C and SIGTERM wait until what must not be interrupted is done, and are never lost."""

import os
import signal
import sys
import threading

import pytest

from hsuanwu.common.interrupts import Interrupted, forget_signals, interrupts_held, raise_again, raise_for_signal
from tests.waiting import join


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
            raise_for_signal(Interrupted())

    forget_signals()
    raise_again()
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    Dropped()
    with pytest.raises(Interrupted):
        raise_again()
    forget_signals()
    raise_again()
