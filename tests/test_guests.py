"""What environments start, close and replace in the process they run in, by whole programs."""

import os
import signal
import subprocess
import sys

import pytest

from tests.processes import is_alive, wait_for_ends
from tests.waiting import PATIENCE

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="processes and descriptors of Linux")

SMALL = [
    "env=gymnasium",
    "env.id=guest:Guest-v0",
    "num_actors=1",
    "envs_per_actor=2",
    "batch_size=2",
    "rollout_length=10",
    "learner_threads=1",
    "overlap=false",
    "precision=float32",
    "total_steps=200",
    "eval_episodes=2",
    "run_dir=r",
]
MODULE = """
import concurrent.futures, multiprocessing, os, signal, subprocess, sys, threading, warnings
import gymnasium
import numpy as np

WHAT = os.environ["WHAT"]
if WHAT in ("ignore", "error"):
    warnings.filterwarnings(WHAT)


def serve():
    threading.Event().wait()


class Guest(gymnasium.Env):
    observation_space, action_space = gymnasium.spaces.Box(-1, 1, (3,)), gymnasium.spaces.Discrete(2)

    def __init__(self):
        if WHAT == "simulator":
            self.simulator = subprocess.Popen(["sleep", "1000000"])
            with open("pids", "a") as file:
                file.write(f"{self.simulator.pid}\\\\n")
        if WHAT == "workers":
            self.worker = multiprocessing.get_context("fork").Process(target=serve)
            self.worker.start()
        if WHAT == "thread":
            threading.Thread(target=serve, name="guests-thread").start()
        if WHAT == "executor":
            self.executor = concurrent.futures.ThreadPoolExecutor()
            self.executor.submit(int).result()
        if WHAT == "stdout":
            sys.stdout = open(os.devnull, "w")
        if WHAT == "stderr":
            sys.stderr = open(os.devnull, "w")
        if WHAT == "closes_stdout":
            sys.stdout.close()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {}

    def step(self, action):
        self.time += 1
        if WHAT == "stderr" and self.time == 7:
            raise RuntimeError("boom")
        if WHAT == "own_alarm":
            signal.alarm(5)
            if self.time == 7:
                signal.alarm(0)
                signal.pause()
            signal.alarm(0)
        if WHAT == "closes_files" and self.time == 7:
            os.closerange(3, 200)
        if WHAT == "hangs" and self.time == 7:
            signal.pause()
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), 1.0, self.time == 10, False, {}

    def close(self):
        if WHAT == "simulator":
            self.simulator.send_signal(signal.SIGINT)
            self.simulator.wait()
        if WHAT == "workers":
            self.worker.terminate()
            self.worker.join()
        if WHAT in ("ignore", "error"):
            raise RuntimeError("cannot close")
        if WHAT == "close_hangs":
            threading.Event().wait()


gymnasium.register("Guest-v0", Guest)
""".replace("\\\\", "\\")


def run(folder, what, name, *arguments):
    """Run a command in a folder that holds the module; (status, output, errors)."""
    (folder / "guest.py").write_text(MODULE)
    words = [sys.executable, "-c", f"from hsuanwu.cli import {name}; {name}()", *arguments]
    variables = {**os.environ, "WHAT": what, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, env=variables)
    return done.returncode, done.stdout, done.stderr


def train(folder, what, transport, *arguments):
    return run(folder, what, "train", *SMALL, f"transport={transport}", *arguments)


@pytest.mark.parametrize("transport", ["local", "process"])
def test_a_simulator_that_is_ended_by_ctrl_c_hears_it(tmp_path, transport):
    status, out, err = train(tmp_path, "simulator", transport)
    assert status == 0 and err == "" and "evaluation episodes: 10.0" in out
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) >= 4
    wait_for_ends(pids)
    assert not any(map(is_alive, pids))


def test_workers_that_are_forked_end_by_their_signal_without_a_word_of_ours(tmp_path):
    status, out, err = train(tmp_path, "workers", "local")
    assert status == 0 and err == "" and "evaluation episodes: 10.0" in out


@pytest.mark.parametrize("what", ["ignore", pytest.param("error", marks=pytest.mark.slow)])
@pytest.mark.parametrize("transport", ["local", "process"])
def test_filters_of_warnings_take_none_of_ours_away(tmp_path, transport, what):
    status, out, err = train(tmp_path, what, transport)
    assert status == 0 and "evaluation episodes: 10.0" in out, err
    assert err.splitlines() == ["warning: env Guest-v0: close raised RuntimeError: cannot close"]


@pytest.mark.parametrize("what", ["closes_stdout", pytest.param("stdout", marks=pytest.mark.slow)])
def test_results_are_shown_whatever_is_put_in_the_place_of_standard_output(tmp_path, what):
    status, out, err = train(tmp_path, what, "local")
    assert status == 0 and "evaluation episodes: 10.0" in out and "Run folder: r" in out, err
    status, out, _ = run(tmp_path, what, "evaluate", "r", "--episodes", "2")
    assert status == 0 and "return: mean 10.00" in out
    assert "right" in run(tmp_path, what, "check", "env=gymnasium", "env.id=guest:Guest-v0")[1]


def test_errors_are_shown_whatever_is_put_in_the_place_of_standard_error(tmp_path):
    status, _, err = train(tmp_path, "stderr", "local")
    assert status == 1 and err.startswith("error: env Guest-v0") and "boom" in err


def test_an_executor_ends_with_python(tmp_path):
    assert train(tmp_path, "executor", "local")[::2] == (0, "")


def test_a_thread_that_goes_on_keeps_no_command_from_ending(tmp_path):
    status, out, err = train(tmp_path, "thread", "local")
    assert status == 0 and "Run folder: r" in out
    assert err.startswith("warning: a thread that an environment has started still runs") and "guests-thread" in err


@pytest.mark.parametrize(
    ("what", "overlap"),
    [
        ("own_alarm", "false"),
        pytest.param("own_alarm", "true", marks=pytest.mark.slow),
        pytest.param("hangs", "true", marks=pytest.mark.slow),
    ],
)
def test_a_hang_ends_by_the_deadline(tmp_path, what, overlap):
    status, _, err = train(tmp_path, what, "local", "transport.timeout_seconds=10", f"overlap={overlap}")
    assert status == 1 and err.startswith("error: "), err
    assert "did not answer within 10 s" in err and "Expired" not in err and "dump" not in err


@pytest.mark.slow
def test_a_close_that_hangs_is_a_warning(tmp_path):
    status, out, err = train(tmp_path, "close_hangs", "local", "transport.timeout_seconds=10", "eval_episodes=0")
    assert status == 0 and "Run folder: r" in out
    assert "warning: env Guest-v0: close did not answer within 10 s" in err


def test_files_that_are_closed_cost_one_line_at_most(tmp_path):
    status, _, err = train(tmp_path, "closes_files", "local")
    assert "Traceback" not in err and (status == 0) == (err == ""), err


def test_signals_end_what_was_forked_and_then_the_run(tmp_path):
    """The handler of a run is not that of a process which an environment has forked from it."""
    (tmp_path / "forks.py").write_text(
        "import os, signal\nfrom hsuanwu.command import run_command\n\n\ndef command():\n    pid = os.fork()\n"
        "    if not pid:\n        assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "        print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n        os._exit(3)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n\n\nrun_command(command)\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "forks.py"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split() == ["True", str(-signal.SIGTERM)] and done.stderr == ""


def without_a_folder(folder, command, *arguments):
    """Run a command whose current folder is removed before it begins."""
    folder.mkdir()
    code = f"import os, sys; os.rmdir({str(folder)!r}); sys.argv[1:] = {list(map(str, arguments))!r}"
    code += f"; from hsuanwu.cli import {command}; {command}()"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize(
    ("command", "arguments", "named"),
    [
        ("train", ["seed=1"], "runs"),
        ("train", ["run_dir=r"], "r"),
        ("train", ["-m", "run_dir=/tmp/r", "seed=1,2"], "runs"),
        ("train", ["run_dir=/tmp/r", "--config-dir", "conf"], "conf"),
        ("evaluate", ["r"], "r"),
        ("evaluate", ["/tmp/r", "--video", "v"], "v"),
        ("plot", ["/tmp/r"], "learning_curve.png"),
    ],
)
def test_a_folder_that_is_gone_is_one_line(tmp_path, command, arguments, named):
    done = without_a_folder(tmp_path / "gone", command, *arguments)
    assert done.returncode == 2 and done.stderr == (
        f"error: the current folder is gone, and {named} is to be in it; change to another one, or write it from the "
        "root\n"
    )


def test_with_absolute_paths_no_current_folder_is_needed(tmp_path):
    run, gone = tmp_path / "run", tmp_path / "gone"
    small = [x for x in SMALL if not x.startswith(("run_dir", "env"))]
    trained = without_a_folder(gone, "train", *small, f"run_dir={run}", "transport=process")
    assert (trained.returncode, trained.stderr) == (0, "") and (run / "learning_curve.png").exists()
    evaluated = without_a_folder(gone, "evaluate", run, "--episodes", "1")
    assert (evaluated.returncode, evaluated.stderr) == (0, "")
    drawn = without_a_folder(gone, "plot", run, "-o", tmp_path / "curve.png")
    assert (drawn.returncode, drawn.stderr) == (0, "") and (tmp_path / "curve.png").exists()
    assert without_a_folder(gone, "check", "env=cartpole").returncode == 0


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "2>/dev/full", ">/dev/full"])
def test_streams_that_are_closed_or_full_cost_no_training(tmp_path, closed):
    (tmp_path / "guest.py").write_text(MODULE)
    command = f"{sys.executable} -c 'from hsuanwu.cli import train; train()' {' '.join(SMALL)} transport=local {closed}"
    variables = {**os.environ, "WHAT": "", "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, timeout=PATIENCE, env=variables, capture_output=True)
    assert (tmp_path / "r" / "learning_curve.png").exists(), done.stderr
    is_lost = closed == ">/dev/full"
    assert done.returncode == is_lost
    assert done.stderr == (b"error: standard output: No space left on device\n" if is_lost else b"")
