"""Run folders of strangers: no code of theirs runs, each is refused in one line, in bounded time and memory."""

import os
import resource
import shutil
import sys

import pytest
import torch
import yaml

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.checkpoint import list_checkpoints
from hsuanwu.engine.replay import evaluate_run
from hsuanwu.engine.run_folder import RunFolder
from hsuanwu.engine.trust import check_trusted, is_own

TOUCH = {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": ["it_ran"]}}


@pytest.fixture
def strangers(trained, tmp_path, monkeypatch):
    """A copy of the run that nobody has signed; ``evil.py`` and others lie in the current folder."""
    folder = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    folder.signature.unlink()
    monkeypatch.chdir(tmp_path)
    for name in ("evil", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('it_ran', 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    sys.modules.pop("evil", None)


def with_config(folder, **changes):
    config = yaml.safe_load(folder.config.read_text("utf-8"))
    for key, value in changes.items():
        *parents, last = key.split("__")
        section = config
        for parent in parents:
            section = section[parent]
        section[last] = value
    folder.config.write_text(yaml.safe_dump(config), "utf-8")


class Evil:
    def __reduce__(self):
        return os.system, ("touch it_ran",)


def pickled(folder):
    for path in list_checkpoints(folder):
        torch.save({"format": 1, "policy": Evil()}, path)


def linked(folder, name):
    outside = folder.path.parent / "outside"
    outside.mkdir()
    target = folder.path / name
    if target.is_dir():
        target.rename(outside / "checkpoints")
    elif target.exists():
        target.rename(outside / target.name)
    else:
        (outside / target.name).write_text("mine")
    target.symlink_to(outside / target.name)


def endless(*paths):
    """Give files a hole of a terabyte: they take no room on the disk."""
    for path in paths:
        with path.open("ab") as file:
            file.truncate(1 << 40)


def piped(folder, path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


GYM = "hsuanwu.env.GymnasiumEnvFactory"
MALICIOUS = {
    "factory": lambda f: with_config(
        f, env={"_target_": "hsuanwu.env.DmEnvFactory", "factory": "os.system", "kwargs": {"command": "touch it_ran"}}
    ),
    "module of the current folder": lambda f: with_config(f, env__id="evil:Env-v0"),
    "wrapper": lambda f: with_config(f, env__wrappers=["evil.Wrapper"]),
    "wrapper with arguments": lambda f: with_config(f, env__wrappers=[{"path": "os.system", "kwargs": {}}]),
    "nested target": lambda f: with_config(f, env__kwargs={"x": TOUCH}),
    "nested target in a list": lambda f: with_config(f, env__kwargs={"x": [[TOUCH]]}),
    "nested target in reset_options": lambda f: with_config(f, env__reset_options={"x": TOUCH}),
    "nested target in the learner": lambda f: with_config(f, learner__optimizer_kwargs={"x": TOUCH}),
    "target of the learner": lambda f: with_config(f, learner___target_="os.system"),
    "target of the encoder": lambda f: with_config(f, encoder={"_target_": "evil.Encoder"}),
    "target of the storage": lambda f: with_config(f, storage=TOUCH),
    "target of the transport": lambda f: with_config(f, transport___target_="subprocess.Popen"),
    "target of the environment": lambda f: with_config(f, env={"_target_": "subprocess.run", "args": ["touch", "x"]}),
    "another section": lambda f: with_config(f, more={"deep": TOUCH}),
    "arguments by position": lambda f: with_config(f, env___args_=["evil:Env-v0"]),
    "a module in the arguments": lambda f: with_config(f, env__kwargs={"env_id": "evil:Env-v0"}),
    "environment variable": lambda f: with_config(f, env__kwargs={"x": "${oc.env:HOME}"}),
    "reference": lambda f: with_config(f, seed="${env.id}"),
    "python tag": lambda f: f.config.write_text("env: !!python/object/apply:os.system ['touch it_ran']\n"),
    "anchors": lambda f: f.config.write_text(
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    ),
    "deep": lambda f: f.config.write_text("a: " + "[" * 3000 + "]" * 3000),
    "a list": lambda f: f.config.write_text("- 1\n"),
    "a word": lambda f: f.config.write_text("word\n"),
    "no text": lambda f: f.config.write_bytes(b"\377\376x"),
    "large": lambda f: f.config.write_text("a: " + "x" * 3_000_000),
    "a folder": lambda f: (f.config.unlink(), f.config.mkdir()),
    "a pipe": lambda f: piped(f, f.config),
    "a device": lambda f: (f.config.unlink(), f.config.symlink_to("/dev/zero")),
    "a circle of links": lambda f: (f.config.unlink(), f.config.symlink_to(f.config)),
    "checkpoints elsewhere": lambda f: linked(f, "checkpoints"),
    "configuration elsewhere": lambda f: linked(f, "config.yaml"),
    "a checkpoint that is a pipe": lambda f: piped(f, list_checkpoints(f)[-1]),
    "checkpoints without an end": lambda f: endless(*list_checkpoints(f)),
    "configuration without an end": lambda f: endless(f.config),
    "pickle": pickled,
    "signature of another": lambda f: (with_config(f, env__id="evil:Env-v0"), f.signature.write_text("0" * 64)),
    "signature that is a pipe": lambda f: (with_config(f, env__id="evil:Env-v0"), piped(f, f.signature)),
}


@pytest.mark.parametrize("kind", MALICIOUS)
def test_no_code_of_a_stranger_runs(strangers, kind, recwarn):
    MALICIOUS[kind](strangers)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigurationError) as caught:
        evaluate_run(strangers.path, 1, 0)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    assert not os.path.exists("it_ran")
    assert "evil" not in sys.modules
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_digests_without_an_end_are_read_as_far_as_any_run_would_write_them(strangers):
    endless(strangers.digests)
    assert evaluate_run(strangers.path, 1, 0)["episodes"] == 1


def test_a_checkpoint_that_does_not_fit_into_memory_is_not_read(strangers, monkeypatch):
    size = list_checkpoints(strangers)[-1].stat().st_size
    monkeypatch.setattr("hsuanwu.engine.checkpoint_file.free_memory", lambda: 2 * size - 1)
    with pytest.raises(ConfigurationError, match=rf"cannot be read \(it has {size:,} bytes, and {2 * size - 1:,} of"):
        evaluate_run(strangers.path, 1, 0)
    monkeypatch.setattr("hsuanwu.engine.checkpoint_file.free_memory", lambda: 2 * size)
    assert evaluate_run(strangers.path, 1, 0)["episodes"] == 1


@pytest.mark.parametrize("kind", ["factory", "nested target", "checkpoints elsewhere", "wrapper"])
def test_nor_where_a_run_goes_on(strangers, kind):
    from unittest.mock import patch

    from hsuanwu.engine.job import run_job

    MALICIOUS[kind](strangers)
    from omegaconf import OmegaConf

    cfgs = OmegaConf.create({"run_dir": str(strangers.path), "resume": True})
    with patch("hydra.core.hydra_config.HydraConfig.get") as hydra_config:
        hydra_config.return_value.overrides.task = []
        with pytest.raises(ConfigurationError) as caught:
            run_job(cfgs)
    assert "\n" not in str(caught.value)
    assert not os.path.exists("it_ran")


def test_what_is_asked_for_is_named_with_the_way_out(strangers):
    with_config(strangers, env__id="evil:Env-v0", env__wrappers=["evil.W"])
    with pytest.raises(ConfigurationError) as caught:
        evaluate_run(strangers.path, 1, 0)
    for part in ("env.id=evil:Env-v0", "env.wrappers=evil.W", "--trust", str(strangers.path)):
        assert part in str(caught.value)


def test_it_runs_with_trust(strangers):
    with_config(strangers, env__id="evil:Env-v0")
    with pytest.raises(ConfigurationError, match="Env"):
        evaluate_run(strangers.path, 1, 0, trust=True)
    assert os.path.exists("it_ran")


def test_a_strangers_run_of_what_the_registry_knows_opens_without_a_word(strangers, recwarn):
    assert not is_own(strangers)
    assert evaluate_run(strangers.path, 1, 0)["episodes"] == 1
    assert not [w for w in recwarn if "trust" in str(w.message)]


def test_an_own_run_that_names_an_own_module_opens_without_a_word(composed):
    trainer = DistributedTrainer(composed("env=gymnasium", "env.id=hsuanwu.env.probes:HsuanwuIdentityBox-v0"))
    folder = trainer.folder
    assert is_own(folder)
    check_trusted(folder, folder.load_config(), "RUN_DIR")


def test_a_change_after_the_run_is_not_its_users_own_any_more(trained, tmp_path):
    folder = RunFolder(shutil.copytree(trained, tmp_path / "run"))
    assert is_own(folder)
    with_config(folder, env__id="evil:Env-v0")
    assert not is_own(folder)


def test_every_preset_that_is_shipped_opens_for_strangers(composed, tmp_path):
    from importlib.resources import files

    from omegaconf import OmegaConf

    presets = {group: (files("hsuanwu.cfgs") / group).iterdir() for group in ("env", "experiment")}
    chosen = [f"{group}={f.name[:-5]}" for group, found in presets.items() for f in found if f.name.endswith(".yaml")]
    assert len(chosen) > 20
    for choice in chosen:
        cfgs = OmegaConf.create(OmegaConf.to_container(composed(choice), resolve=True))
        check_trusted(RunFolder(tmp_path), cfgs, "RUN_DIR")


def test_without_a_home_there_is_no_signature_and_no_error(composed, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", "/proc/nowhere")
    assert not DistributedTrainer(composed()).folder.signature.exists()


def test_nobody_else_can_read_the_key(composed, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert DistributedTrainer(composed()).folder.signature.exists()
    key = tmp_path / "config" / "hsuanwu" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in key.parent.iterdir()] == ["key"]
