"""Every rule catches a small bad source and lets its good twin pass."""

import pytest

from tests.architecture import rules


def function(body_lines, docstring_lines=0):
    docstring = ['    """Say.'] + ["    word"] * (docstring_lines - 2) + ['    """'] if docstring_lines else []
    return "\n".join(["def f():", *docstring, *["    x = 1"] * body_lines])


@pytest.mark.parametrize(
    "good, bad",
    [
        ("x = 1\n" * 400, "x = 1\n" * 401),
        (function(49), function(50)),
        (function(49, docstring_lines=20), function(50, docstring_lines=20)),
        ("async " + function(49), "async " + function(50)),
        ("class A:\n" + "    x = 1\n" * 199, "class A:\n" + "    x = 1\n" * 200),
    ],
)
def test_long_parts(good, bad):
    assert rules.long_parts(good) == []
    assert len(rules.long_parts(bad)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "obs = 1",
        "next_obs, reward = f()",
        "self.done = True",
        "def f(obs): pass",
        "def f(*, done_mask=None): pass",
        "def is_done(): pass",
        "class Obs: pass",
        "x = [done for done in flags]",
        "import x as ob",
        "for ob in x: pass",
        "with f() as done: pass",
        "match x:\n    case [obs, *done_all]: pass",
        "x: int\ndone: bool = False",
        "if (done := f()): pass",
        "lambda obs: 1",
    ],
)
def test_forbidden_names(bad):
    assert rules.forbidden_names(bad)


def test_names_that_others_chose_are_free():
    assert (
        rules.forbidden_names("x = future.done(); y = make(obs_type='grey'); z = info['final_obs']; job = obstacle = 1")
        == []
    )


@pytest.mark.parametrize(
    "bad", ["importlib.import_module('ray.util')", "import_module('gymnasium')", "__import__('hydra')"]
)
def test_hidden_imports(bad):
    assert rules.hidden_imports(bad)
    assert rules.hidden_imports("import_module('torch'); import_module(name); load('ray')") == []


@pytest.mark.parametrize("bad", ["hydra.utils.instantiate(x)", "instantiate(x)"])
def test_instantiations(bad):
    assert rules.instantiations(bad)
    assert rules.instantiations("make(x)\ny = instantiate") == []


@pytest.mark.parametrize(
    "bad",
    [
        "import hsuanwu.env",
        "from hsuanwu import env",
        "from hsuanwu.env import make",
        "from . import env",
        "from .env import x",
    ],
)
def test_house_imports(bad):
    assert rules.house_imports(bad)
    assert rules.house_imports("import torch\nfrom hsuanwurst import x") == []


@pytest.mark.parametrize(
    "bad",
    [
        "time.sleep(1)",
        "from time import sleep as rest",
        "from time import time",
        "x = time.time() - start",
        "start = perf_counter()",
        "Process(target=time.sleep, args=(1,))",
        "datetime.datetime.now()",
        "threading.Timer(1, f).start()",
        "assert event.wait(10)",
        "thread.join(0.5)",
        "process.communicate(timeout=5)",
        "CODE = 'import time; time.sleep(1)'",
        "def f():\n    run(f'time.sleep({x})')",
        "CODE = '''\n    import time\n    time.sleep(1)\n'''",
    ],
)
def test_clocks(bad):
    ((function, _),) = rules.clocks(bad)
    assert function == ("f" if bad.startswith("def f") else "<module>")
    good = "event.wait(60)\nthread.join()\n', '.join(x)\nprocess.wait(PATIENCE)\ntime.now\nx.time = 1\n"
    assert rules.clocks(good + "patch(x, 'perf_counter', virtual)\ny = 'sleep (at night)'") == []
