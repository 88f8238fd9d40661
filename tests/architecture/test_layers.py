"""Imports point down, and the contracts in pyproject.toml would notice if one did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(folder):
    """Run import-linter in ``folder``; return its exit status and what it printed."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return result.returncode, result.stdout + result.stderr


def test_imports_point_down():
    status, report = lint_imports(ROOT)
    assert status == 0, report


@pytest.mark.parametrize(
    "file, line, contract",
    [
        ("common/nest.py", "import hsuanwu.ops.features", "Imports point down"),
        ("ops/features.py", "from hsuanwu.env import make", "Imports point down"),
        ("xploit/encoder/base.py", "import hsuanwu.xploit.storage", "Imports point down"),
        ("xplore/augmentation/base.py", "import hsuanwu.xplore.distribution.base", "Imports point down"),
        ("xploit/policy/base.py", "import hsuanwu.xploit.learner", "Imports point down"),
        ("xploit/learner/base.py", "import hsuanwu.runtime", "Imports point down"),
        ("runtime/__init__.py", "import hsuanwu.engine", "Imports point down"),
        ("engine/__init__.py", "def f():\n    import hsuanwu.cli", "Imports point down"),
        ("engine/__init__.py", "import hsuanwu.testing", "Imports point down"),
        ("xploit/learner/base.py", "import hsuanwu.xploit.storage", "A storage is memory"),
        ("runtime/transport/base.py", "import hsuanwu.xploit.learner", "A storage is memory"),
        ("env/__init__.py", "import omegaconf", "Hydra stays"),
        ("xploit/learner/base.py", "from hydra.utils import instantiate", "Hydra stays"),
        ("common/trajectory.py", "import gymnasium", "Environment libraries stay"),
        ("engine/__init__.py", "from dm_env import specs", "Environment libraries stay"),
        ("runtime/actor.py", "import ray", "Ray stays"),
    ],
)
def test_an_import_that_points_elsewhere_is_noticed(tmp_path, file, line, contract):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "hsuanwu", tmp_path / "hsuanwu", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "hsuanwu" / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    status, report = lint_imports(tmp_path)
    assert status == 1, report
    broken = [row for row in report.splitlines() if " BROKEN" in row]
    assert any(row.startswith(contract) for row in broken), report
