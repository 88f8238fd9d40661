"""Every recipe composes into an agent that can act; a stranger's application can use our groups."""

import subprocess
import sys
import textwrap
from importlib import resources

import pytest
from hydra import compose, initialize_config_dir, initialize_config_module
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.build import build_agent, build_runtime, check_run_keys
from hsuanwu.engine.calibration import calibrated
from hsuanwu.engine.config import RUN_KEYS, complete, register_groups
from hsuanwu.engine.signatures import wiring_names
from tests.waiting import PATIENCE

RECIPES = sorted(path.name.removesuffix(".yaml") for path in (resources.files("hsuanwu.cfgs") / "experiment").iterdir())


def compose_run(*overrides):
    register_groups()
    with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
        return compose("config", list(overrides))


def test_the_six_recipes_are_there():
    assert {
        "impala_cartpole",
        "impala_cartpole_memory",
        "impala_pendulum",
        "impala_dmc_cartpole",
        "impala_pong",
        "impala_pong_deep",
    } <= set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_builds(recipe):
    cfgs = compose_run(f"experiment={recipe}", "transport=local", "device=cpu")
    check_run_keys(cfgs)
    cfgs, report = calibrated(cfgs)
    assert report is None, "local transport must not depend on time"
    agent = build_agent(cfgs)
    build_runtime(cfgs, agent, seed=1)
    assert agent.learner.actor.init_state(2) is not None


def test_run_keys_have_shipped_values():
    cfgs = compose_run()
    assert all(key in cfgs for key in RUN_KEYS)
    assert OmegaConf.to_container(complete({}), throw_on_missing=False).keys() >= set(RUN_KEYS)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in options(kind)])
def test_each_module_is_an_option_with_its_own_defaults(kind, name):
    import inspect

    section = compose_run(f"{kind}={name}")[kind]
    cls = options(kind)[name]
    expected = set(inspect.signature(cls).parameters) - wiring_names(cls, kind)
    assert set(section) == expected | {"_target_"}
    for key in expected:
        default = inspect.signature(cls).parameters[key].default
        if default is not inspect.Parameter.empty:
            value = OmegaConf.to_container(OmegaConf.create({"x": section[key]}))["x"]
            assert value == (list(default) if isinstance(default, tuple) else default)


APPLICATION = textwrap.dedent("""
    import hydra
    from hsuanwu.engine import DistributedTrainer

    @hydra.main(version_base="1.3", config_path="conf", config_name="app")
    def main(cfgs):
        assert cfgs.colour.name == "green" and cfgs.learner.lr == 0.001
        print("steps", DistributedTrainer(cfgs).train()["steps"])

    if __name__ == "__main__":
        main()
""")


def test_a_stranger_composes_our_groups_with_her_own(tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    (tmp_path / "conf/colour").mkdir(parents=True)
    (tmp_path / "conf/colour/green.yaml").write_text("name: green\n")
    (tmp_path / "conf/app.yaml").write_text(
        textwrap.dedent("""
        defaults:
          - env: cartpole
          - learner: impala
          - storage: trajectory
          - transport: local
          - colour: green
          - _self_
        hydra:
          searchpath: [pkg://hsuanwu.cfgs]
        total_steps: 300
        envs_per_actor: 4
        batch_size: 4
        learner:
          lr: 0.001
    """)
    )
    result = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert result.returncode == 0, result.stderr
    assert "steps 3" in result.stdout


def test_an_application_adds_keys_of_its_own_to_our_config(tmp_path):
    (tmp_path / "app.yaml").write_text(
        "defaults: [config, _self_]\nnote: mine\nseed: 7\nhydra: {searchpath: [pkg://hsuanwu.cfgs]}\n"
    )
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        cfgs = compose("app", ["total_steps=300"])
        assert cfgs.note == "mine" and cfgs.seed == 7 and cfgs.total_steps == 300
        with pytest.raises(ConfigCompositionException):
            compose("app", ["seed=many"])
