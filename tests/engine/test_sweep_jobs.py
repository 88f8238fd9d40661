"""How the main process of a sweep and its jobs hear of each other."""

import os
import pickle
import signal

import pytest

from hsuanwu.common.interrupts import signals_raised
from hsuanwu.engine.sweep_jobs import SweepEndedError, SweepJobs

fcntl = pytest.importorskip("fcntl")


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setattr("hsuanwu.engine.sweep_jobs.util.get_temp_dir", lambda: str(tmp_path))
    return SweepJobs()


def raised():
    return signals_raised(at_once=lambda: None)


def test_a_job_that_runs_is_told_what_ended_the_sweep(jobs):
    there = pickle.loads(pickle.dumps(jobs))
    with pytest.raises(SweepEndedError, match="SIGHUP"), raised(), there.job():
        jobs.stop(signal.SIGHUP)
        signal.pause()


def test_a_job_that_has_not_begun_never_does(jobs):
    jobs.stop(signal.SIGTERM)
    with pytest.raises(SweepEndedError, match="SIGTERM"), jobs.job():
        pytest.fail("it began")


def test_a_signal_to_one_job_is_its_own(jobs):
    from hsuanwu.common.interrupts import Terminated

    with pytest.raises(Terminated, match="SIGTERM"), raised(), jobs.job():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()


def test_the_number_of_a_job_that_died_may_be_anybodys(jobs, tmp_path):
    with jobs.job():
        (mark,) = [path for path in (tmp_path / "jobs").iterdir() if path.name.isdecimal()]
    mark.touch()  # left behind, and this process has its number
    with raised():
        jobs.stop(signal.SIGTERM)
        assert signal.sigtimedwait([signal.SIGUSR1], 0) is None


def test_on_another_machine_a_job_is_alone(jobs, tmp_path):
    (tmp_path / "jobs" / "main").unlink()
    (tmp_path / "jobs").rmdir()
    with jobs.job():
        jobs.stop(signal.SIGTERM)
    jobs.note_failure(2)
    assert jobs.status() == 0


def test_a_failure_is_remembered(jobs):
    assert jobs.status() == 0
    pickle.loads(pickle.dumps(jobs)).note_failure(2)
    assert jobs.status() == 2
