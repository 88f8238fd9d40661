"""Threads inherit the priority of who starts them."""

import os
import sys
import threading

import pytest

from hsuanwu.env import priority
from hsuanwu.env.priority import at_lower_priority


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no priority of a thread")
def test_what_is_started_gives_way_and_the_caller_does_not():
    own = niceness()
    assert at_lower_priority(lambda: (niceness(), in_a_thread(niceness))) == (min(19, own + 10),) * 2
    assert (niceness(), in_a_thread(niceness)) == (own, own)


def test_a_failure_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        at_lower_priority(lambda: 1 // 0)


def test_elsewhere_it_is_a_call(monkeypatch):
    monkeypatch.setattr(priority.sys, "platform", "darwin")
    assert at_lower_priority(threading.current_thread) is threading.current_thread()
