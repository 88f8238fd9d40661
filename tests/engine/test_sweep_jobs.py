"""How the main process of a sweep and its jobs hear of each other."""

import os
import pickle
import signal

import pytest

from hsuanwu.common.interrupts import Terminated, interrupts_held, signals_raised
from hsuanwu.engine import sweep_jobs
from hsuanwu.engine.sweep_jobs import SweepEndedError, SweepJobs

pytest.importorskip("fcntl")


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setattr("hsuanwu.engine.sweep_jobs.util.get_temp_dir", lambda: str(tmp_path))
    return SweepJobs()


def handed_on(jobs):
    """Return what a job gets from a launcher."""
    return pickle.loads(pickle.dumps(jobs))


def raised():
    return signals_raised(at_once=lambda: None)


def folder_of(tmp_path):
    (folder,) = tmp_path.glob("jobs-*")
    return folder


def test_a_job_that_runs_is_told_what_ended_the_sweep(jobs):
    there = handed_on(jobs)
    with pytest.raises(SweepEndedError, match="SIGHUP"), raised(), there.job():
        assert jobs.stop(signal.SIGHUP), "its end is to be waited for"
        signal.pause()


def test_a_job_that_has_not_begun_never_does(jobs, monkeypatch):
    monkeypatch.setattr(sweep_jobs, "_stop_again", lambda: None)
    there = handed_on(jobs)
    assert jobs.stop(signal.SIGTERM)
    with pytest.raises(SweepEndedError, match="SIGTERM"), there.job():
        pytest.fail("it began")


def test_a_signal_to_one_job_is_its_own(jobs):
    with pytest.raises(Terminated, match="SIGTERM"), raised(), handed_on(jobs).job():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()


def test_the_number_of_a_job_that_died_may_be_anybodys(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_jobs, "_stop_again", lambda: None)
    there = handed_on(jobs)
    with there.job():
        (mark,) = [path for path in folder_of(tmp_path).iterdir() if path.name.isdecimal()]
    mark.touch()  # left behind, and this process has its number
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        jobs.stop(signal.SIGTERM)
        assert signal.SIGUSR1 not in signal.sigpending()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])


def test_jobs_are_told_though_the_disk_is_full_and_one_of_them_is_gone(jobs, tmp_path, monkeypatch):
    there = handed_on(jobs)
    (folder_of(tmp_path) / "4194999").touch()  # a number that no process has
    monkeypatch.setattr(sweep_jobs, "_is_locked", lambda path: True)
    monkeypatch.setattr(sweep_jobs, "_STOPPED", "no/such/folder")
    with pytest.raises(Terminated), raised(), there.job():
        jobs.stop(signal.SIGTERM)
        signal.pause()


def test_on_another_machine_a_job_hears_of_nothing(jobs, tmp_path, monkeypatch):
    there = handed_on(jobs)
    monkeypatch.setattr(sweep_jobs, "_machine", lambda: "another")
    with there.job():
        assert not any(path.name.isdecimal() for path in folder_of(tmp_path).iterdir())


def test_the_main_process_leaves_jobs_behind_that_it_cannot_tell(jobs, monkeypatch):
    """Those of a cluster: the first signal waits for jobs that may be about to begin here, the second one ends it."""
    monkeypatch.setattr(sweep_jobs, "_stop_again", lambda: None)
    handed_on(jobs)
    with pytest.raises(Terminated, match="SIGTERM"), raised(), interrupts_held(jobs.stop):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()


def test_a_sweep_without_a_launcher_makes_no_folder(jobs, tmp_path):
    assert jobs.stop(signal.SIGTERM) and not list(tmp_path.iterdir())


def test_one_sweep_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr("hsuanwu.engine.sweep_jobs.util.get_temp_dir", lambda: str(tmp_path))
    monkeypatch.setattr(sweep_jobs, "_stop_again", lambda: None)
    first, second = SweepJobs(), SweepJobs()
    one, two = handed_on(first), handed_on(second)
    first.stop(signal.SIGTERM)
    with two.job():
        pass
    with pytest.raises(SweepEndedError), one.job():
        pytest.fail("it began")
