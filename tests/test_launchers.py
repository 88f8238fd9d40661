"""Sweeps whose jobs Hydra's launchers run in processes of their own, and sweepers that count failures."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.processes import children, wait_for_empty_group
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")
pytest.importorskip("hydra_plugins.hydra_joblib_launcher")

TRAIN = [sys.executable, "-c", "from hsuanwu.cli import train; train()", "-m"]
SMALL = [
    "num_actors=1",
    "envs_per_actor=4",
    "batch_size=4",
    "eval_episodes=1",
    "learner_threads=1",
    "overlap=false",
    "precision=float32",
    "run_dir=sweep",
]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
SUBMITIT = ["hydra/launcher=submitit_local"]
ENDLESS = ["total_steps=1_000_000_000", "log_interval=500", "seed=1,2", "resume=auto"]


def start(folder, *words):
    return subprocess.Popen([*TRAIN, *SMALL, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, start_new_session=True)  # fmt: skip


def run_sweep(folder, *words):
    with start(folder, *words) as sweep:
        out, err = sweep.communicate(timeout=PATIENCE)
    wait_for_empty_group(sweep.pid)
    return sweep.returncode, out, err


def rows_of(folder):
    with open(folder / "sweep" / "sweep.csv") as file:
        return sorted((row["job"], row["mean_return"]) for row in csv.DictReader(file))


def steps_of(job):
    return torch.load(max(job.glob("checkpoints/step_*.pt")), weights_only=True)["steps"]


def wait_for_lines(folder, sweep, count=3, jobs=("0", "1")):
    """Return when each of some jobs has written so many more lines."""

    def lines(job):
        path = folder / "sweep" / job / "metrics.jsonl"
        return path.read_text().count("\n") if path.exists() else 0

    before = {job: lines(job) for job in jobs}

    def are_there():
        assert sweep.poll() is None, sweep.stderr.read()
        return all(lines(job) >= before[job] + count for job in before)

    wait_until(are_there, "lines of each job")


def test_a_launcher_runs_jobs_beside_each_other_and_one_that_fails_fails_alone(tmp_path):
    status, out, err = run_sweep(tmp_path, *JOBLIB, "total_steps=400", "learner.lr=-1,1e-3")
    assert status == 2 and out.count("Run folder: sweep/1") == 1, err
    assert "error: job 0 (" in err and "learner.lr" in err and "Traceback" not in err and "left behind" not in err
    (_, failed), (_, mean_return) = rows_of(tmp_path)
    assert failed == "failed" and float(mean_return) > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("launcher", [JOBLIB, SUBMITIT], ids=["joblib", "submitit"])
def test_a_signal_to_the_main_process_reaches_every_job(tmp_path, launcher, number):
    steps = [0, 0]
    for _ in range(2):  # the same command goes on with what is there
        with start(tmp_path, *launcher, *ENDLESS) as sweep:
            wait_for_lines(tmp_path, sweep)
            sweep.send_signal(number)
            _, err = sweep.communicate(timeout=PATIENCE)
        assert sweep.returncode == 128 + number, err
        wait_for_empty_group(sweep.pid)
        now = [steps_of(tmp_path / "sweep" / job) for job in ("0", "1")]
        assert now[0] > steps[0] and now[1] > steps[1], "saved at the end, and gone on with"
        steps = now


@pytest.mark.slow
def test_ctrl_c_for_the_whole_group_saves_once(tmp_path):
    with start(tmp_path, *JOBLIB, *ENDLESS[:-2], "seed=1,2,3") as sweep:
        wait_for_lines(tmp_path, sweep)
        os.killpg(sweep.pid, signal.SIGINT)
        _, err = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 128 + signal.SIGINT and "error: interrupted" in err, err
    wait_for_empty_group(sweep.pid)
    assert all(steps_of(tmp_path / "sweep" / job) for job in ("0", "1"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_waits_for_its_next_job_outlives_what_ends_the_others(tmp_path, number):
    with start(tmp_path, *JOBLIB, "log_interval=500", "total_steps=400,1_000_000_000") as sweep:
        wait_until((tmp_path / "sweep" / "sweep.csv").exists, "the end of a job")
        wait_for_lines(tmp_path, sweep, jobs=("1",))
        os.killpg(sweep.pid, number)
        _, err = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 128 + number, err
    wait_for_empty_group(sweep.pid)
    assert steps_of(tmp_path / "sweep" / "1")


@pytest.mark.slow
def test_jobs_of_a_main_process_that_was_killed_save_and_end(tmp_path):
    with start(tmp_path, *JOBLIB, *ENDLESS) as sweep:
        wait_for_lines(tmp_path, sweep)
        sweep.kill()
        wait_for_empty_group(sweep.pid)
        assert "the sweep was ended by the end of its main process" in sweep.stderr.read()
    assert all(steps_of(tmp_path / "sweep" / job) for job in ("0", "1"))


@pytest.mark.slow
def test_a_job_that_is_put_back_into_the_queue_goes_on(tmp_path):
    """Submitit's signal for that is SIGUSR2; the job comes again by the same command line."""
    with start(tmp_path, *SUBMITIT, *ENDLESS) as sweep:
        wait_for_lines(tmp_path, sweep)
        controller, *_ = [pid for pid in children(sweep.pid) if "submitit" in Path(f"/proc/{pid}/cmdline").read_text()]
        (job,) = children(controller)
        os.kill(job, signal.SIGUSR2)
        starts = list((tmp_path / "sweep").glob("*/starts.jsonl"))
        wait_until(lambda: any(path.read_text().count("\n") == 2 for path in starts), "a second start")
        wait_for_lines(tmp_path, sweep)
        sweep.send_signal(signal.SIGTERM)
        sweep.communicate(timeout=PATIENCE)
    wait_for_empty_group(sweep.pid)
    (second,) = [path.read_text().splitlines()[1] for path in starts if path.read_text().count("\n") == 2]
    assert json.loads(second)["from_step"] > 0, "it had saved"


@pytest.mark.slow
def test_a_sweeper_may_count_failures_but_the_status_tells_them(tmp_path):
    optuna = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=5", "hydra.sweeper.n_jobs=1"]
    optuna += ["hydra.sweeper.direction=maximize", "hydra.sweeper.max_failure_rate=1", "hydra.sweeper.sampler.seed=1"]
    status, _, err = run_sweep(tmp_path, *optuna, "total_steps=400", "learner.lr=choice(-1,1e-3)")
    results = [mean_return for _, mean_return in rows_of(tmp_path)]
    assert len(results) == 5 and 0 < results.count("failed") < 5, "both came up, and none ended the search"
    assert status == 2 and err.count("error: job") == results.count("failed"), err
    assert "error: a job of the sweep failed" in err
    status, _, err = run_sweep(tmp_path, *optuna, "total_steps=400", "learner.lr=choice(1e-4,2e-4)", "resume=auto")
    assert status == 2 and "holds a run of other values (learner.lr: 0.001, now 0.000" in err, (
        "never under other values"
    )
