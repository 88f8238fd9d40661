"""Every module can be imported, importing changes nothing, and what is public is explained."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

import hsuanwu
from tests.waiting import PATIENCE

OPTIONAL = {"ale_py", "dm_control", "imageio", "minatar", "minigrid", "ray"}
"""Libraries of extras: only for want of one of these may a module fail to import."""

MODULES = ["hsuanwu", *sorted(module.name for module in pkgutil.walk_packages(hsuanwu.__path__, "hsuanwu."))]

# torch and numpy come first: their state can only be read once they are there.
PROBE = """
import json, os, random, signal, sys, warnings
import multiprocessing
import numpy, torch

def state():
    return {
        "environment variables": dict(os.environ),
        "working directory": os.getcwd(),
        "random": repr(random.getstate()),
        "numpy.random": repr(numpy.random.get_state()),
        "torch seed": torch.initial_seed(),
        "torch generator": torch.get_rng_state().tolist(),
        "torch dtype": str(torch.get_default_dtype()),
        "torch threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "sharing strategy": torch.multiprocessing.get_sharing_strategy(),
        "signals": {str(s): repr(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)},
    }

before = state()
for line in json.loads(sys.argv[1]):
    try:
        exec(line)
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] not in json.loads(sys.argv[2]):
            raise
after = state()
print(json.dumps([name for name in before if before[name] != after[name]]))
"""


def changes(lines):
    """Return what a fresh process looks like differently after it has run ``lines``."""
    command = [sys.executable, "-c", PROBE, json.dumps(lines), json.dumps(sorted(OPTIONAL))]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def load(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"{error.name} is not installed")


def undocumented(module):
    """Return the public classes, functions and methods of a module that have, and inherit, no docstring."""
    found = []
    for name, item in vars(module).items():
        if name.startswith("_") or getattr(item, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(item):
            members = {f"{name}.{key}": getattr(item, key) for key in vars(item) if not key.startswith("_")}
            members = {key: value for key, value in members.items() if inspect.isroutine(value)}
            found += [key for key, value in members.items() if not inspect.getdoc(value)]
        if (inspect.isclass(item) or inspect.isfunction(item)) and not inspect.getdoc(item):
            found.append(name)
    return found


def test_importing_changes_nothing():
    assert changes([f"import {name}" for name in MODULES]) == []


@pytest.mark.parametrize(
    "line, change",
    [
        ("os.environ['HSUANWU'] = '1'", "environment variables"),
        ("os.chdir('/')", "working directory"),
        ("random.seed(1)", "random"),
        ("numpy.random.seed(1)", "numpy.random"),
        ("torch.rand(1)", "torch generator"),
        ("torch.set_num_threads(torch.get_num_threads() + 1)", "torch threads"),
        ("multiprocessing.set_start_method('spawn')", "start method"),
    ],
)
def test_a_change_is_noticed(line, change):
    assert change in changes([line])


@pytest.mark.parametrize("name", MODULES)
def test_modules_import(name):
    load(name)


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_is_explained(name):
    assert undocumented(load(name)) == []


def test_what_is_not_explained_is_noticed(tmp_path, monkeypatch):
    source = '''
class A:
    """Explained."""
    def f(self): ...
    def g(self):
        """Explained."""
class B(A):
    def g(self): ...
    def h(self): ...
def i(): ...
def _j(): ...
'''
    (tmp_path / "unexplained.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    # a class inherits its docstring too, so B is explained by A
    assert undocumented(importlib.import_module("unexplained")) == ["A.f", "B.h", "i"]
