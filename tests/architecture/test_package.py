"""The wheel holds everything that the tree does."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("wheel")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("hsuanwu", "cfgs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(copy)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_holds_all_code_and_configurations(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hsuanwu").rglob("*.py")}
    expected |= {f"hsuanwu/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "cfgs").rglob("*.yaml")}
    expected |= {"hsuanwu/py.typed", "hsuanwu/cfgs/__init__.py"}
    assert expected - held == set()


@pytest.mark.slow
def test_the_wheel_trains_from_an_empty_folder(wheel, tmp_path):
    """In another virtual environment, which finds our dependencies but not our editable install."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, timeout=300)
    (site_packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python, empty = tmp_path / "venv/bin/python", tmp_path / "empty"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True, timeout=300)
    empty.mkdir()
    command = [tmp_path / "venv/bin/hsuanwu-train", "experiment=impala_cartpole", "total_steps=20_000"]
    result = subprocess.run(command, cwd=empty, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    assert "Mean return over 100 evaluation episodes" in result.stdout
    show = [python, "-c", "import hsuanwu; print(hsuanwu.__file__)"]
    where = subprocess.run(show, cwd=empty, capture_output=True, text=True).stdout
    assert str(site_packages) in where
