"""The presets of cfgs/env are what they say."""

import inspect
from pathlib import Path

import pytest
import yaml

from hsuanwu.common.registry import lookup, options

FOLDER = Path(__file__).resolve().parents[2] / "cfgs" / "env"
NEEDS = {"atari": "ale_py", "dmc": "dm_control"}


@pytest.fixture(params=sorted(path.stem for path in FOLDER.glob("*.yaml")))
def preset(request):
    return request.param


@pytest.mark.filterwarnings("default")
def test_presets_build(preset):
    values = yaml.safe_load((FOLDER / f"{preset}.yaml").read_text())
    kind, own = values.pop("defaults")
    assert own == "_self_"
    assert preset not in options("env"), "the options of the registry are generated, not written"
    assert set(values) <= set(inspect.signature(lookup("env", kind)).parameters)
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    env = lookup("env", kind)(**values)(2)
    env.reset(seed=1)
    env.close()


def test_presets_are_there():
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert {"cartpole", "cartpole_memory", "pendulum", "pong", "dmc_cartpole"} <= names
