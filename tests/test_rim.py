"""What environments do to the process they run in, by whole programs: it moves, hides and loses nothing of a run's."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, wait_until

SMALL = [
    "env=gymnasium",
    "num_actors=1",
    "envs_per_actor=4",
    "batch_size=4",
    "rollout_length=10",
    "learner_threads=1",
    "overlap=false",
    "precision=float32",
    "total_steps=400",
    "eval_episodes=4",
    "run_dir=r",
]
TRANSPORTS = ["local", "process"]
MODULE = """
import ctypes, os, signal, sys, time
import gymnasium
import numpy as np


class Odd(gymnasium.Env):
    observation_space, action_space = gymnasium.spaces.Box(-1, 1, (3,)), gymnasium.spaces.Discrete(2)

    def __init__(self, what=""):
        self.what = what
        if what == "folder":
            os.makedirs("elsewhere", exist_ok=True)
            os.chdir("elsewhere")
        if what == "signals":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if what == "torch":
            import torch
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        if self.what == "prints":
            print("Episode starts", flush=True)
            os.write(1, b"by the descriptor")
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {}

    def step(self, action):
        self.time += 1
        if self.what == "hangs" and self.time == 7:
            signal.pause()
        if self.what == "closes" and self.time == 7 and os.getppid() != 1:
            os.closerange(3, 64)
        if self.what == "crashes" and self.time == 7:
            ctypes.string_at(0)
        if self.what == "exits" and self.time == 7:
            sys.exit(0)
        if self.what == "leaves" and self.time == 7:
            os._exit(0)
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), 1.0, self.time == 10, False, {}

    def close(self):
        if self.what == "close":
            raise RuntimeError("cannot close")


gymnasium.register("Odd-v0", Odd)
"""


def command(folder, name, *arguments):
    """Return a command as pip installs it: a script in a folder of its own."""
    (folder / "odd.py").write_text(MODULE)
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(f"from hsuanwu.cli import {name}\n\nif __name__ == '__main__':\n    {name}()\n")
    return [sys.executable, str(folder / "bin" / name), *arguments]


def run(folder, name, *arguments):
    """Run a command in a folder that holds the module; (status, output, errors)."""
    words = command(folder, name, *arguments)
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def train(folder, what, transport, *arguments):
    odd = ["env.id=odd:Odd-v0", f"env.kwargs.what={what}", f"transport={transport}"]
    return run(folder, "train", *SMALL, *odd, *arguments)


@pytest.mark.parametrize(
    ("what", "transport"),
    [
        ("folder", "local"),
        ("torch", "local"),
        ("close", "process"),
        pytest.param("folder", "process", marks=pytest.mark.slow),
        pytest.param("torch", "process", marks=pytest.mark.slow),
        pytest.param("close", "local", marks=pytest.mark.slow),
    ],
)
def test_a_run_is_as_without(tmp_path, what, transport):
    status, out, err = train(tmp_path, what, transport)
    assert status == 0 and "evaluation episodes: 10.0" in out, err
    assert (tmp_path / "r" / "learning_curve.png").exists() and (tmp_path / "r" / "config.yaml").exists()
    assert not list(tmp_path.glob("elsewhere/**/*.yaml"))
    warning = "warning: env Odd-v0: close raised RuntimeError: cannot close"
    assert err.splitlines() == ([warning] if what == "close" else []), "what several processes say is said once"
    assert run(tmp_path, "evaluate", "r", "--episodes", "1")[0] == 0


def test_a_crash_says_which_line_it_was(tmp_path):
    """The whole process is gone at once, and nobody is left to say a line of ours."""
    status, _, err = train(tmp_path, "crashes", "local")
    assert status == -signal.SIGSEGV and "Segmentation fault" in err and "odd.py" in err and "in step" in err, err


def test_results_for_programs_are_alone_on_standard_output(tmp_path):
    assert train(tmp_path, "prints", "local")[0] == 0
    status, out, err = run(tmp_path, "evaluate", "r", "--episodes", "2", "--json")
    assert status == 0 and json.loads(out)["episodes"] == 2
    assert "Episode starts" in err and "by the descriptor" in err


@pytest.mark.parametrize(
    "name", ["random.py", "numpy.py", *(pytest.param(x, marks=pytest.mark.slow) for x in ("queue.py", "logging.py"))]
)
def test_a_file_of_the_users_hides_no_module(tmp_path, name):
    (tmp_path / name).write_text("raise SystemExit(7)")
    status, _, err = train(tmp_path, "", "process")
    assert status == 0, err
    assert run(tmp_path, "evaluate", "r", "--episodes", "1")[0] == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_signals_still_end_a_run(tmp_path, transport):
    odd = ["env.id=odd:Odd-v0", "env.kwargs.what=signals", f"transport={transport}", "total_steps=100_000_000"]
    odd += ["log_interval=100"]
    words = command(tmp_path, "train", *SMALL, *odd)
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as run:
        metrics = tmp_path / "r" / "metrics.jsonl"
        wait_until(lambda: metrics.exists() and metrics.stat().st_size, "metrics")
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=PATIENCE)
    assert run.returncode == 143 and list((tmp_path / "r" / "checkpoints").iterdir())


@pytest.mark.parametrize("transport", ["local", "thread", "process"])
@pytest.mark.parametrize("what", ["exits", "leaves"])
def test_an_exit_is_no_success(tmp_path, what, transport):
    status, _, err = train(tmp_path, what, transport)
    line, *trace = err.splitlines()
    assert status == 1 and "episode 1, step 7: step raised SystemExit: 0" in line and trace[-1] == "SystemExit: 0"


def test_a_hang_ends_with_its_place(tmp_path):
    status, _, err = train(tmp_path, "hangs", "local", "transport.timeout_seconds=10")
    assert status == 1 and "episode 1, step 7: step did not answer within 10 s" in err and "signal.pause()" in err


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors of Linux")
def test_a_closed_pipe_is_one_line(tmp_path):
    status, _, err = train(tmp_path, "closes", "process")
    assert status == 1 and err.count("\n") == 1 and "its pipe to the learner was closed" in err


def test_draws_of_actors_differ_and_follow_the_seed(tmp_path):
    """Global generators: of Python, numpy and torch."""
    (tmp_path / "draws.py").write_text(
        "import os, random\nimport gymnasium, numpy as np, torch\n\n\n"
        "class Draws(gymnasium.Env):\n"
        "    observation_space, action_space = gymnasium.spaces.Box(0, 1, (3,)), gymnasium.spaces.Discrete(2)\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        return self.look(), {}\n"
        "    def look(self):\n"
        "        drawn = [random.random(), float(np.random.rand()), float(torch.rand(()))]\n"
        "        with open(f'draws-{os.getpid()}', 'a') as file:\n"
        "            file.write(f'{drawn}\\n')\n"
        "        return np.array(drawn, np.float32)\n"
        "    def step(self, action):\n"
        "        return self.look(), 0.0, True, False, {}\n\n\n"
        "gymnasium.register('Draws-v0', Draws)\n"
    )
    arguments = [
        *SMALL,
        "env.id=draws:Draws-v0",
        "num_actors=2",
        "batch_size=8",
        "eval_episodes=0",
        "transport=process",
    ]
    found = []
    for seed in (1, 1, 2):
        status, _, err = run(tmp_path, "train", *arguments, f"seed={seed}", f"run_dir={len(found)}")
        assert status == 0, err
        files = sorted(tmp_path.glob("draws-*"), key=lambda path: path.read_text())
        firsts = [path.read_text().splitlines()[0] for path in files]
        found.append({first for first in firsts})
        assert len(found[-1]) == len(files) == 3, "the first look and two actors draw alike"
        for path in files:
            Path(path).unlink()
    # the first look draws from generators that nobody has seeded
    assert len(found[0] & found[1]) == 2 and not found[0] & found[2]
