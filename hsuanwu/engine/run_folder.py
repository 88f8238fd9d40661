"""The run folder: where everything about one run lies."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]

from hsuanwu.common.errors import ConfigurationError, one_line


class RunFolder:
    """Paths of one run: ``config.yaml``, ``metrics.jsonl``, ``episodes.csv``, ``checkpoints/``, ``learning_curve.png``.

    Args:
        path: the folder. Files in it are named from the root: an environment may change the current folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, path = path, path.absolute()
        self.config = path / "config.yaml"
        self.calibration = path / "calibration.json"
        self.model = path / "model.txt"
        self.metrics = path / "metrics.jsonl"
        self.episodes = path / "episodes.csv"
        self.checkpoints = path / "checkpoints"
        self.learning_curve = path / "learning_curve.png"

    def load_config(self) -> DictConfig:
        """Return what ``config.yaml`` holds.

        Raises:
            ConfigurationError: if it is no YAML.
        """
        try:
            return cast(DictConfig, OmegaConf.load(self.config))
        except YAMLError as error:
            raise ConfigurationError(f"run_dir: {self.config} is no YAML ({one_line(error)})") from error


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a path to write a file's new content to: whole, it takes the place of ``path``; else no trace is left."""
    partial = path.with_suffix(".partial")
    try:
        yield partial
        _to_disk(partial)  # before it has its name: a power cut could leave the name with nothing behind it
        partial.replace(path)
    except BaseException:  # Ctrl-C, or a full disk
        partial.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # not every file system can
        _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_run_folder(cfgs: DictConfig) -> None:
    """Check that ``run_dir`` may be used as ``resume`` says; nothing is written.

    Raises:
        ConfigurationError: if it holds another run, or none to go on with.
    """
    holds_run = cfgs.run_dir is not None and RunFolder(Path(cfgs.run_dir)).config.exists()
    if cfgs.resume and not holds_run:
        raise ConfigurationError(
            f"resume: found true, but run_dir={cfgs.run_dir or 'null'} holds no run; set run_dir to the folder of a run"
        )
    if holds_run and not cfgs.resume:
        raise ConfigurationError(
            f"run_dir: {cfgs.run_dir} holds another run; choose another folder, or go on with that run by resume=true"
        )
    if cfgs.run_dir is not None and Path(cfgs.run_dir).exists() and not Path(cfgs.run_dir).is_dir():
        raise ConfigurationError(f"run_dir: {cfgs.run_dir} is no folder; choose another path")


def open_run_folder(cfgs: DictConfig) -> RunFolder:
    """Make the folder of a run, write ``config.yaml`` as resolved, and return its paths.

    Args:
        cfgs: the configuration; ``run_dir`` null makes ``runs/<environment>/<time>-seed<seed>``.

    Raises:
        ConfigurationError: if ``run_dir`` cannot be written, or holds another run.
    """
    check_run_folder(cfgs)
    try:
        folder = RunFolder(_make_folder(cfgs))
        resolved = OmegaConf.merge(cfgs, {"run_dir": str(folder.path), "resume": False})  # so that it can be repeated
        with replaced(folder.config) as partial:
            OmegaConf.save(resolved, partial, resolve=True)
    except OSError as error:
        raise ConfigurationError(f"run_dir: {cfgs.run_dir or 'runs'} cannot be written ({error.strerror})") from error
    return folder


def _make_folder(cfgs: DictConfig) -> Path:
    if cfgs.run_dir is not None:
        path = Path(cfgs.run_dir)
        path.mkdir(parents=True, exist_ok=True)
        return path
    base = Path("runs") / _env_name(cfgs.env) / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-seed{cfgs.seed}"
    for attempt in range(1, 1000):
        path = base if attempt == 1 else base.with_name(f"{base.name}-{attempt}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            continue
    raise FileExistsError(f"{base} and a thousand more exist")


def _env_name(env: Mapping[str, Any]) -> str:
    """Return what the environment is called, fit for a folder's name: its hyper-parameters without ``kwargs``."""
    words = [str(value) for key, value in env.items() if key != "_target_" and isinstance(value, str)]
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "-".join(words)) or "run"
