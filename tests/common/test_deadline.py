import signal
import subprocess
import sys
import threading

import pytest

from hsuanwu.common.deadline import Expired, deadline


def test_what_waits_is_woken():
    with pytest.raises(Expired, match="nothing happened for 0.01 s"), deadline(0.01, "hint"):
        while True:
            signal.pause()


def test_what_computes_is_interrupted():
    with pytest.raises(Expired), deadline(0.01, "hint"):
        while True:
            pass


def test_while_nothing_is_waited_for_no_time_counts():
    with deadline(1000.0, "hint") as alarm:
        alarm.is_waiting = False
        alarm.let_expire()
        alarm.is_waiting = True
        with pytest.raises(Expired):
            alarm.let_expire()


def test_a_timer_of_somebody_else_is_left_alone():
    """Environments have time limits of their own, by the system's alarm."""
    heard = []
    handler = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    signal.setitimer(signal.ITIMER_REAL, 1000.0)
    try:
        with deadline(60.0, "hint") as alarm:
            assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
            signal.raise_signal(signal.SIGALRM)
            signal.alarm(0)
            with pytest.raises(Expired):
                alarm.let_expire()
        assert heard == [1] and signal.getsignal(signal.SIGALRM) is not handler
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, handler)


def test_what_takes_the_alarm_away_hangs_no_longer_than_any_other():
    with pytest.raises(Expired), deadline(0.01, "hint"):
        signal.alarm(0)
        while True:
            signal.pause()


def test_an_outer_deadline_does_not_end_what_an_inner_one_gives_time():
    with deadline(1000.0, "outer") as outer, pytest.raises(Expired, match="1000"):
        with deadline(2000.0, "inner"):
            outer.let_expire()  # and it comes again
        outer.let_expire()


def test_what_swallows_it_is_interrupted_again():
    caught = []
    with pytest.raises(Expired), deadline(0.01, "hint"):
        while True:
            try:
                signal.pause()
            except Expired as error:
                if caught:
                    raise
                caught.append(error)


def test_other_threads_have_none():
    found = []

    def run():
        with deadline(1e-9, "hint") as alarm:
            alarm.renew()
            found.append(1)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [1]


STUCK = """
from hsuanwu.common import deadline
deadline._GRACE_SECONDS = 0.1
with deadline.deadline(0.1, "hint"):
    sum(range(10**15))  # in C, for weeks, with the interpreter's lock
"""


def test_code_that_no_signal_wakes_ends_the_process_with_its_traceback():
    result = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=100)
    assert result.returncode == 1 and "Timeout" in result.stderr and "File" in result.stderr
