"""The run folder: where everything about one run lies."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.errors import ConfigurationError, file_named
from hsuanwu.engine.foreign_files import check_inside, check_usable, read_config
from hsuanwu.engine.run_lock import RunLock, check_not_in_use


class RunFolder:
    """Paths of one run: ``config.yaml``, ``metrics.jsonl``, ``episodes.csv``, ``checkpoints/``, ``learning_curve.png``.

    Args:
        path: the folder. Files in it are named from the root: an environment may change the current folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, path = path, path.absolute()
        self._held: RunLock | None = None
        self.lock = path / "run.lock"
        self.config = path / "config.yaml"
        self.calibration = path / "calibration.json"
        self.model = path / "model.txt"
        self.starts = path / "starts.jsonl"
        self.spaces = path / "spaces.json"
        self.metrics = path / "metrics.jsonl"
        self.episodes = path / "episodes.csv"
        self.checkpoints = path / "checkpoints"
        self.digests = path / "SHA256SUMS"
        self.signature = path / "signature"
        self.learning_curve = path / "learning_curve.png"

    def holds_run(self) -> bool:
        """Return whether a run was begun here and has come as far as a line of metrics or a checkpoint."""
        has_lines = self.metrics.is_file() and self.metrics.stat().st_size > 0
        return self.config.exists() and (has_lines or any(self.checkpoints.glob("*.pt")) or self.digests.exists())

    def load_config(self) -> DictConfig:
        """Return what ``config.yaml`` holds: plain values, of which nothing is resolved.

        Raises:
            ConfigurationError: if it is no configuration that a run has saved.
        """
        return read_config(self.path, self.config)

    def files(self) -> list[Path]:
        """Return the paths that a run writes or reads, and those of their new content while it is written."""
        names = [self.lock, self.config, self.signature, self.calibration, self.model]
        names += [self.metrics, self.episodes, self.digests, self.starts, self.spaces]
        own = [*names, *(path.with_suffix(".partial") for path in names), self.learning_curve, self.checkpoints]
        return [*own, *self.checkpoints.glob("step_*"), *self.checkpoints.glob("best.*")]

    def hold(self) -> None:
        """Keep other runs out of the folder until ``release``, or the end of this process."""
        self._held = RunLock(self.lock)

    def release(self) -> None:
        """Let other runs have the folder."""
        if self._held is not None:
            self._held.release()

    def sweep(self) -> None:
        """Remove new content of files that a killed run was writing."""
        for path in self.files():
            if path.suffix == ".partial":
                path.unlink(missing_ok=True)

    def check_links(self, key: str = "run_dir") -> None:
        """Check that all of it lies in the folder; ``key`` is what named it, for the message.

        Raises:
            ConfigurationError: if a link leads out of it, or a file is a pipe, a socket or a device.
        """
        check_inside(self.path.absolute(), self.checkpoints, key)
        for path in self.files():
            check_inside(self.path.absolute(), path, key)


def run_named(path: Path) -> tuple[RunFolder, str | None]:
    """Return the run that somebody means who names its folder, that of its checkpoints, or one of them.

    Returns:
        The folder, and the name of the checkpoint; None where none was named.

    Raises:
        ConfigurationError: if it cannot be a folder.
    """
    parent = path.absolute().parent
    folder, checkpoint = path, None
    if path.suffix == ".pt" and parent.name == "checkpoints":
        folder, checkpoint = path.parent.parent, path.name
    elif path.name == "checkpoints" and (parent / "config.yaml").is_file():
        folder = path.parent
    check_usable(folder, "RUN_DIR")
    return RunFolder(folder), checkpoint


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a path to write a file's new content to: whole, it takes the place of ``path``; else no trace is left."""
    partial = path.with_suffix(".partial")
    try:
        with file_named(path):
            yield partial
            _to_disk(partial)  # before it has its name: a power cut could leave the name with nothing behind it
            partial.replace(path)
    except BaseException:  # Ctrl-C, or a full disk
        with suppress(OSError):
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
        ConfigurationError: if it holds another run, none to go on with, or what is not of a run.
    """
    if cfgs.run_dir is None:
        return
    folder = RunFolder(Path(cfgs.run_dir))
    check_usable(folder.path)
    folder.check_links()
    check_not_in_use(folder.lock)
    if cfgs.resume and not folder.config.exists():
        raise ConfigurationError(
            f"resume: found true, but run_dir={cfgs.run_dir} holds no run; set run_dir to the folder of a run, or use "
            "resume=auto, which begins one where there is none"
        )
    if folder.holds_run() and not cfgs.resume:
        raise ConfigurationError(
            f"run_dir: {cfgs.run_dir} holds another run; choose another folder, or go on with that run by resume=true"
        )


def will_resume(cfgs: DictConfig, of_sweep: bool = False) -> bool:
    """Return whether a run is to go on with one that is there, or to begin: what ``resume`` asks for.

    Args:
        cfgs: with ``run_dir`` and ``resume``: true, false, or auto, which goes on if there is something.
        of_sweep: whether it is one job of several: where a sweep goes on, jobs that were never begun begin.

    Raises:
        ConfigurationError: if there cannot be a run to go on with.
    """
    if cfgs.resume and cfgs.run_dir is None:
        raise ConfigurationError(f"resume: found {cfgs.resume}, but run_dir=null; set run_dir to the folder of a run")
    if cfgs.resume:
        check_usable(Path(cfgs.run_dir))
    if cfgs.resume == "auto" or (cfgs.resume and of_sweep and Path(cfgs.run_dir).parent.is_dir()):
        return RunFolder(Path(cfgs.run_dir)).holds_run()
    return bool(cfgs.resume)


def open_run_folder(cfgs: DictConfig) -> RunFolder:
    """Make the folder of a run, hold it, write ``config.yaml`` as resolved, and return its paths.

    What a killed run left half written is removed.

    Args:
        cfgs: the configuration; ``run_dir`` null makes ``runs/<environment>/<time>-seed<seed>``.

    Raises:
        ConfigurationError: if ``run_dir`` cannot be written, or holds another run.
    """
    check_run_folder(cfgs)
    try:
        folder = RunFolder(_make_folder(cfgs))
        folder.hold()
        folder.sweep()
        write_config(folder, cfgs)
    except OSError as error:
        raise ConfigurationError(f"run_dir: {cfgs.run_dir or 'runs'} cannot be written ({error.strerror})") from error
    return folder


def write_config(folder: RunFolder, cfgs: DictConfig) -> None:
    """Write ``config.yaml`` as resolved, so that the run can be repeated."""
    resolved = OmegaConf.merge(cfgs, {"run_dir": str(folder.path), "resume": False})
    with replaced(folder.config) as partial:
        OmegaConf.save(resolved, partial, resolve=True)


def _make_folder(cfgs: DictConfig) -> Path:
    if cfgs.run_dir is not None:
        path = Path(cfgs.run_dir)
        path.mkdir(parents=True, exist_ok=True)
        return path
    base = Path("runs") / env_name(cfgs.env) / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-seed{cfgs.seed}"
    for attempt in range(1, 1000):
        path = base if attempt == 1 else base.with_name(f"{base.name}-{attempt}")
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            continue
    raise FileExistsError(f"{base} and a thousand more exist")


def env_name(env: Mapping[str, Any]) -> str:
    """Return what the environment is called, fit for a folder's name: its hyper-parameters without ``kwargs``."""
    words = [str(value) for key, value in env.items() if key != "_target_" and isinstance(value, str)]
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "-".join(words)) or "run"
