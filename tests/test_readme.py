"""README and guides keep what they promise: tables are those of the code, commands compose, code runs."""

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser

from hsuanwu import cli
from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine import DistributedTrainer
from hsuanwu.engine.config import RUN_KEYS, register_groups
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PRESETS = {kind: {path.stem for path in (ROOT / f"cfgs/{kind}").glob("*.yaml")} for kind in KINDS}
RECIPES = {path.stem for path in (ROOT / "cfgs/experiment").glob("*.yaml")}
TINY = ["total_steps=60", "num_actors=1", "envs_per_actor=2", "batch_size=2", "rollout_length=5", "feature_dim=8"]
TINY += ["transport=local", "learner_threads=1", "eval_episodes=1"]
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:# @package _global_\n)?# ([\w/]+\.(?:py|yaml))")


def blocks(page, language):
    """Return the code blocks of one language on a page."""
    found = BLOCK.findall(page.read_text("utf-8"))
    return [textwrap.dedent(code) for _, name, code in found if name == language]


def files(page):
    """Return the files that a page writes out, by path: code blocks whose first line is a comment with the path."""
    found = {}
    for code in blocks(page, "python") + blocks(page, "yaml"):
        if match := FILE.match(code):
            found[match[1]] = code
    return found


def commands(page, program):
    """Return the arguments of each use of ``program`` in the shell blocks of a page."""
    lines = [line for code in blocks(page, "bash") for line in code.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == [program]]


def table(page, heading):
    """Return the first table under a heading, without its head: a list of rows of cells."""
    section = page.read_text("utf-8").split(f"# {heading}\n", 1)[1]
    lines = [line for line in section.split("\n#", 1)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def plain_overrides(arguments):
    """Return the overrides of a command without flags; of a sweep, the first value, or the lower end of an interval."""
    found = []
    for text in arguments:
        override = OverridesParser.create().parse_override(text)
        value = None
        if override.is_interval_sweep():
            value = override.value().start
        elif override.is_sweep_override():
            value = next(override.sweep_string_iterator())
        found.append(text if value is None else f"{override.key_or_group}={value}")
    return found


def composed(arguments):
    register_groups()
    with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
        return compose("config", plain_overrides(arguments))


COMMANDS = [(page, arguments) for page in PAGES for arguments in commands(page, "hsuanwu-train")]


def parameters(pairs):
    return [pytest.param(page, x, id=f"{page.stem}: {' '.join(x)}") for page, x in pairs]


def test_the_table_of_modules_is_that_of_the_registry():
    rows = {next(iter(names(row[0]))): names(row[1]) for row in table(ROOT / "README.md", "Modules")}
    expected = {kind: set(options(kind)) | PRESETS[kind] for kind in KINDS}
    assert rows == expected


def test_the_table_of_recipes_is_that_of_the_folder():
    rows = {next(iter(names(row[0]))): row for row in table(ROOT / "README.md", "Recipes")}
    assert set(rows) == RECIPES
    for name, row in rows.items():
        assert int(row[2].replace(",", "")) == composed([f"experiment={name}"]).total_steps, name


def test_the_table_of_run_level_keys_has_the_shipped_values():
    rows = table(ROOT / "docs/guides/commands.md", "Run-level keys")
    cfgs = composed([])
    expected = {key: cfgs[key] for key in RUN_KEYS}
    found = {next(iter(names(row[0]))): next(iter(names(row[1]))) for row in rows}
    assert set(found) == set(expected)
    for key, text in found.items():
        shown = {"null": None, "true": True, "false": False}.get(text, text.replace("_", ""))
        assert str(shown) == str(expected[key]), key


def test_every_metric_is_explained(tmp_path):
    overrides = [
        "eval_episodes=2",
        "eval_interval=1000",
        "num_actors=1",
        "batch_size=32",
        "env.kwargs.max_episode_steps=50",
    ]
    cfgs = composed(["env=pendulum", "total_steps=2000", "transport=local", *overrides])
    cfgs.run_dir, cfgs.log_interval = str(tmp_path / "run"), 1000
    DistributedTrainer(cfgs).train()
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    explained = {name for row in table(ROOT / "docs/guides/run_folder.md", "metrics.jsonl") for name in names(row[0])}
    # what environments may tell has no name of ours
    assert {name for name in explained if "<" not in name} == {key for line in lines for key in line}
    files_explained = " ".join(row[0] for row in table(ROOT / "docs/guides/run_folder.md", "The run folder"))
    for path in (tmp_path / "run").iterdir():
        assert path.name.split(".out.")[0] in files_explained, path


def test_every_contract_test_is_named():
    import importlib

    rows = table(ROOT / "docs/guides/module.md", "Testing it")
    assert {next(iter(names(row[0]))) for row in rows} == set(KINDS)
    for row in rows:
        module, _, name = next(iter(names(row[1]))).rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize(("page", "arguments"), parameters(COMMANDS))
def test_a_command_composes(page, arguments, tmp_path):
    for path, code in files(page).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(code)
    arguments = [word for word in arguments if word not in ("-m", "--help", "--cfg", "job")]
    if arguments[:1] == ["--config-dir"]:
        arguments = [f"hydra.searchpath=[file://{tmp_path / arguments[1]}]", *arguments[2:]]
    arguments = [word.replace("file://conf", f"file://{tmp_path / 'conf'}") for word in arguments]
    assert composed(arguments).learner._target_


def runnable(page, arguments):
    """Whether a command needs files that its page writes out, and no others."""
    text = " ".join(arguments)
    written = {Path(path).stem for path in files(page)}
    needed = set(re.findall(r"\bmy_\w+", text)) | ({"conf"} if "conf" in text else set())
    return bool(needed) and needed <= written | {"conf"}


OWN = [(page, arguments) for page, arguments in COMMANDS if runnable(page, arguments)]
RUN_ALL = """
import json, sys
from hsuanwu.cli import train
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["hsuanwu-train", *arguments]
    train()
"""


def run(folder, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )


@pytest.mark.parametrize("page", sorted({page for page, _ in OWN}), ids=lambda page: page.stem)
def test_own_files_run(page, tmp_path):
    """A new user writes the files of a page, and then runs its commands."""
    for path, code in files(page).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(code)
    chosen = [[*arguments, *TINY, f"run_dir=run{i}"] for i, (p, arguments) in enumerate(OWN) if p == page]
    result = run(tmp_path, "-c", RUN_ALL, json.dumps(chosen))
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Run folder:") == len(chosen)


APPLICATIONS = [(page, arguments) for page in PAGES for arguments in commands(page, "python") if files(page)]


@pytest.mark.parametrize(("page", "arguments"), parameters(APPLICATIONS))
def test_own_applications_run(page, arguments, tmp_path):
    for path, code in files(page).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(code)
    tiny = [word for word in TINY if not word.startswith("eval")]
    result = run(tmp_path, *arguments, *tiny)
    assert result.returncode == 0, result.stderr


def install_plugin(tmp_path, code):
    """Make what an installed package with our entry point looks like to Python."""
    page = ROOT / "docs/guides/module.md"
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package/__init__.py").touch()
    (tmp_path / "my_package/my_encoder.py").write_text(code)
    information = tmp_path / "my_package-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (toml,) = blocks(page, "toml")
    section, line = toml.splitlines()
    assert section == '[project.entry-points."hsuanwu.plugins"]'
    entry = line.replace('"', "")
    (information / "entry_points.txt").write_text(f"[hsuanwu.plugins]\n{entry}\n")


def test_a_plugin_is_chosen_by_name(tmp_path):
    install_plugin(tmp_path, files(ROOT / "docs/guides/module.md")["my_encoder.py"])
    arguments = ["encoder=wide", "encoder.width=32", *TINY, "run_dir=run"]
    result = run(tmp_path, "-c", RUN_ALL, json.dumps([arguments, ["encoder=wide", "encoder.widht=32"]]))
    assert "Run folder: run" in result.stdout
    assert result.returncode == 2 and "did you mean 'encoder.width'" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--config-path", "elsewhere"]])
def test_a_plugin_that_fails_is_told_in_one_line(tmp_path, arguments):
    install_plugin(tmp_path, "import a_package_that_is_missing")
    result = run(tmp_path, "-c", RUN_ALL, json.dumps([arguments]))
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert re.match(
        "error: plugin .*my_package.my_encoder cannot be imported .*a_package_that_is_missing", result.stderr
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_compiles(page):
    for code in blocks(page, "python"):
        compile(code, str(page), "exec")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs/guides").glob("*.md"))], ids=lambda page: page.stem
)
def test_python_that_is_no_file_runs(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    snippets = [code for code in blocks(page, "python") if not FILE.match(code)]
    if any("runs/mine" in code for code in snippets):
        DistributedTrainer(composed([*TINY, "run_dir=runs/mine"])).train()
    for code in snippets:
        exec(compile(code, str(page), "exec"), {})


@pytest.mark.parametrize(("program", "function"), [("hsuanwu-eval", cli.evaluate), ("hsuanwu-plot", cli.plot)])
def test_flags_exist(program, function, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    with pytest.raises(SystemExit):
        function()
    known = capsys.readouterr().out
    used = {word for page in PAGES for line in commands(page, program) for word in line if word.startswith("-")}
    assert used
    for flag in used:
        assert re.search(rf"^  {flag}\b|^  -\w, {flag}\b", known, re.MULTILINE), flag


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text("utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert len(targets) > 8
    for target in targets:
        assert (ROOT / target).exists(), target
