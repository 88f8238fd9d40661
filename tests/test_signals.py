"""Every signal that ends a process politely: what was reached is saved, and nothing is left, whatever hangs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hsuanwu.runtime import fork_server
from tests.processes import children, group_members, shared_files, wait_for_empty_group, wait_for_ends
from tests.test_faults import ROOT, TRAIN, start, wait_for_metrics
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for processes in /proc")

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU]
QUICK = [signal.SIGHUP, signal.SIGUSR1]
slow = pytest.mark.slow


def assert_saved(run, folder, number, err):
    """Check that the last update is on disk, and that nothing of the run is left."""
    assert run.returncode == 128 + number, err
    assert err.count("\n") == 1 and err.startswith("error: "), err
    assert signal.Signals(number).name in err or number == signal.SIGINT
    wait_for_empty_group(run.pid)
    assert shared_files(run.pid) == [] and not list(folder.rglob("*.partial"))
    newest = torch.load(max(folder.glob("checkpoints/step_*.pt")), weights_only=True)
    last_line = (folder / "metrics.jsonl").read_text().splitlines()[-1]
    assert f'"step": {newest["steps"]}' in last_line or newest["steps"] > 0


@pytest.mark.parametrize("num_actors", [1, pytest.param(4, marks=slow)])
@pytest.mark.parametrize("to_group", [True, pytest.param(False, marks=slow)])
@pytest.mark.parametrize("number", [pytest.param(x, marks=[] if x in QUICK else slow) for x in SIGNALS])
def test_what_was_reached_is_saved(tmp_path, number, to_group, num_actors):
    folder = tmp_path / "run"
    with start(f"run_dir={folder}", f"num_actors={num_actors}", "envs_per_actor=4", "batch_size=16") as run:
        wait_for_metrics(folder, run)
        # SIGTERM to all processes would end actors too: they are told by the learner
        if to_group and number != signal.SIGTERM:
            os.killpg(run.pid, number)
        else:
            run.send_signal(number)
        _, err = run.communicate(timeout=PATIENCE)
    assert_saved(run, folder, number, err)


@slow
def test_a_run_under_nohup_goes_on(tmp_path):
    folder = tmp_path / "run"
    words = ["nohup", *TRAIN, f"run_dir={folder}", "total_steps=1_000_000_000", "log_interval=200"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          start_new_session=True) as run:  # fmt: skip
        wait_for_metrics(folder, run)
        os.killpg(run.pid, signal.SIGHUP)
        seen = (folder / "metrics.jsonl").stat().st_size
        wait_until(lambda: (folder / "metrics.jsonl").stat().st_size > seen, "a line after SIGHUP")
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=PATIENCE)
    assert run.returncode == 128 + signal.SIGTERM


@pytest.mark.skipif(not fork_server._CAN_FORK, reason="processes are not forked here")
def test_a_stopped_fork_server_delays_nobody(tmp_path):
    folder = tmp_path / "run"
    with start(f"run_dir={folder}", "num_actors=2", "envs_per_actor=4", "batch_size=8") as run:
        wait_for_metrics(folder, run)
        (server,) = [pid for pid in children(run.pid) if "forkserver" in Path(f"/proc/{pid}/cmdline").read_text()]
        members = group_members(run.pid)
        os.kill(server, signal.SIGSTOP)
        run.send_signal(signal.SIGTERM)
        _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 128 + signal.SIGTERM, err
    wait_for_ends(members)


DEAF = """
import os, signal
import gymnasium, numpy as np


class Deaf(gymnasium.Env):
    observation_space, action_space = gymnasium.spaces.Box(-1, 1, (3,)), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.time += 1
        if os.path.exists("hang"):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            open("hung", "w").close()
            while True:
                signal.pause()
        return np.zeros(3, np.float32), 1.0, self.time == 10, False, {}


gymnasium.register("Deaf-v0", Deaf)
"""


def start_deaf(folder, module):
    """Begin to train in the environment of a module, which hangs once there is a file ``hang``."""
    (folder / "deaf.py").write_text(module)
    words = [sys.executable, "-c", "from hsuanwu.cli import train; train()", "env=gymnasium", "env.id=deaf:Deaf-v0"]
    words += ["num_actors=2", "envs_per_actor=2", "batch_size=4", "eval_episodes=0", "run_dir=run", "log_interval=100"]
    words += ["overlap=false", "precision=float32", "learner_threads=1", "total_steps=1_000_000_000"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, cwd=folder, start_new_session=True, **pipes)


def test_ctrl_c_again_ends_it_though_actors_are_deaf(tmp_path):
    """It does not wait for them; whether it is quick about it, no test can say on a busy machine."""
    with start_deaf(tmp_path, DEAF) as run:
        wait_for_metrics(tmp_path / "run", run)
        (tmp_path / "hang").touch()
        wait_until((tmp_path / "hung").exists, "an environment that hangs")
        os.killpg(run.pid, signal.SIGINT)
        wait_until(lambda: list((tmp_path / "run").glob("checkpoints/step_*.pt")), "the checkpoint of the end")
        os.killpg(run.pid, signal.SIGINT)
        _, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 128 + signal.SIGINT and "interrupted" in err
    wait_for_empty_group(run.pid)


@pytest.mark.parametrize("where", ["in Python", "in a call that no signal interrupts"])
def test_nothing_outlives_a_killed_trainer_though_an_environment_hangs(tmp_path, where):
    hang = "signal.pause()" if where == "in Python" else "ctypes.CDLL(None).select(0, None, None, None, None)"
    with start_deaf(tmp_path, "import ctypes\n" + DEAF.replace("signal.pause()", hang)) as run:
        wait_for_metrics(tmp_path / "run", run)
        members = group_members(run.pid)
        (tmp_path / "hang").touch()
        wait_until((tmp_path / "hung").exists, "an environment that hangs")
        run.kill()
        run.communicate(timeout=PATIENCE)
    wait_for_ends(members)
    assert shared_files(*members) == []
