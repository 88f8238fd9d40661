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
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.raise_signal(signal.SIGALRM)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900, "it begins anew"
        alarm.is_waiting = True
        with pytest.raises(Expired):
            signal.raise_signal(signal.SIGALRM)


def test_what_was_there_before_is_put_back():
    handler = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 1000.0)
    try:
        with deadline(60.0, "hint"):
            assert signal.getitimer(signal.ITIMER_REAL)[0] < 100
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, handler)


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
