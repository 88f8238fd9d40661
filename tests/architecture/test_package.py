"""The wheel holds everything that the tree does."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_wheel_holds_all_code_and_configurations(tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("hsuanwu", "cfgs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hsuanwu").rglob("*.py")}
    expected |= {f"hsuanwu/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "cfgs").rglob("*.yaml")}
    expected |= {"hsuanwu/py.typed", "hsuanwu/cfgs/__init__.py"}
    assert expected - held == set()
