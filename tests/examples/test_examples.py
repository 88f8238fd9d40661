"""Every command that an example names in its docstring runs, with a tiny budget."""

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples").glob("*.py"))
TINY = ["total_steps=300", "num_actors=1", "envs_per_actor=4", "batch_size=4", "feature_dim=8", "learner_threads=1"]


def commands(file):
    """Return the commands in the docstring of an example."""
    lines = [line.strip() for line in ast.get_docstring(ast.parse(file.read_text())).splitlines()]
    return [line for line in lines if line.startswith(("python ", "PYTHONPATH="))]


COMMANDS = [(file.name, command) for file in FILES for command in commands(file)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_is_short_and_says_how_it_runs(file):
    assert commands(file), "name a command in the docstring"
    assert len(file.read_text().splitlines()) < 80


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_an_example_runs(name, command, tmp_path):
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    program, *arguments = shlex.split(command)
    if program.startswith("PYTHONPATH="):
        environment["PYTHONPATH"] = str(ROOT / program.partition("=")[2])
        program, *arguments = arguments
    if program == "hsuanwu-train":
        arguments = ["-c", "from hsuanwu.cli import train; train()", *arguments, *TINY, "eval_episodes=1"]
    else:
        arguments[0] = str(ROOT / arguments[0])
        arguments += ["--total-steps", "2000"] if name == "impala_from_parts.py" else TINY
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert result.returncode == 0, result.stderr
    assert "return" in result.stdout


def test_impala_from_parts_learns(monkeypatch, capsys):
    """More than a blind agent's 22 within 60,000 steps."""
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.setattr(sys, "argv", ["impala_from_parts.py", "--total-steps", "60000"])
    import impala_from_parts

    impala_from_parts.main()
    assert float(capsys.readouterr().out.split("episodes:")[1]) > 60
