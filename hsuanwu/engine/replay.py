"""Evaluation of a finished run from its folder, with video."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from hsuanwu.common.errors import ConfigurationError, warn_of_environment
from hsuanwu.engine.build import Agent, build_agent, check_run_keys, timeout_seconds
from hsuanwu.engine.checkpoint import load_checkpoint, restore_policy
from hsuanwu.engine.config import complete
from hsuanwu.engine.evaluator import EPISODES, evaluate, most_steps
from hsuanwu.engine.logger import longest_episode
from hsuanwu.engine.run_folder import RunFolder, run_named
from hsuanwu.engine.trust import check_trusted

_FRAMES_PER_SECOND = 30
_LEAST_PIXELS = 160


def evaluate_run(
    run_dir: Path,
    episodes: int | None,
    seed: int,
    *,
    best: bool = False,
    trust: bool = False,
    deterministic: bool = True,
    video_dir: Path | None = None,
) -> dict[str, Any]:
    """Return what a checkpoint of a run reaches, the newest one by default; see ``Evaluation.to_dict``.

    Args:
        run_dir: the folder of a run, or one of its checkpoints.
        episodes: how many episodes, at least 1; None for ``eval_episodes`` of the run.
        seed: of environments and actions.
        best: take the checkpoint that did best in the evaluations of the run, not the newest one.
        trust: run what the configuration names, although a stranger may have written it.
        deterministic: take the mode of each action distribution; else sample.
        video_dir: write one more episode there, ``video.mp4``; its path is returned as ``video``.

    Raises:
        ConfigurationError: if the folder holds no run, or the environment cannot be drawn.
    """
    folder, checkpoint = run_named(run_dir)
    agent, cfgs = load_agent(folder, best, trust, checkpoint)
    play = partial(
        evaluate,
        agent.learner.actor,
        agent.env_factory,
        seed=seed,
        deterministic=deterministic,
        limit=most_steps(longest_episode(folder)),
        timeout_seconds=timeout_seconds(cfgs),
    )
    extra = {}
    if video_dir is not None:  # first: an environment that cannot draw itself is found out at once
        with _open_video(video_dir.absolute()) as video:
            play(episodes=1, on_frame=video.append)
        extra["video"] = str(video_dir / video.path.name)
    evaluation = play(episodes=episodes or cfgs.eval_episodes or EPISODES)
    if evaluation.doubt:
        warn_of_environment(evaluation.doubt)
    return evaluation.to_dict() | extra


def load_agent(
    folder: RunFolder, best: bool = False, trust: bool = False, checkpoint: str | None = None
) -> tuple[Agent, DictConfig]:
    """Return the agent of a run, on the CPU, and its configuration; ``best`` and ``trust`` as in ``evaluate_run``.

    Args:
        folder: of the run.
        best: see there.
        trust: see there.
        checkpoint: the name of one of its checkpoints; None for the newest, or the best one.

    Raises:
        ConfigurationError: if the folder holds no run or no checkpoint, or it is a stranger's and asks for code.
    """
    if not folder.config.exists():
        raise ConfigurationError(f"RUN_DIR: {folder.path} holds no config.yaml; name the folder of a run")
    folder.check_links()
    saved = folder.load_config()
    if not trust:
        check_trusted(folder, saved, "RUN_DIR")
    cfgs = complete(saved)
    cfgs.device = "cpu"
    check_run_keys(cfgs)
    agent = build_agent(cfgs)
    restore_policy(agent.learner, load_checkpoint(folder, best, checkpoint), folder.checkpoints)
    return agent, cfgs


class _Video:
    """An MP4 file that grows frame by frame, and is not there before the first; a context manager."""

    def __init__(self, path: Path, writer_of: Callable[..., Any]) -> None:
        self.path, self._writer_of = path, writer_of
        self._writer: Any = None
        self._shape: tuple[int, ...] = ()

    def append(self, frame: np.ndarray[Any, Any]) -> None:
        """Add a picture, ``[height, width, 3]`` uint8; odd sizes lose a row or column, as H.264 needs.

        Tiny pictures are enlarged.
        """
        if 0 in frame.shape:
            raise ConfigurationError(f"--video: the environment drew a picture of shape {frame.shape}")
        if self._writer is None:
            self._writer, self._shape = self._open(), frame.shape
        if frame.shape != self._shape:
            raise ConfigurationError(
                f"--video: the environment drew pictures of {self._shape[:2]} and {frame.shape[:2]}, not of one size"
            )
        scale = max(1, _LEAST_PIXELS // min(frame.shape[:2]))
        frame = frame.repeat(scale, 0).repeat(scale, 1)
        height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
        self._writer.append_data(np.ascontiguousarray(frame[:height, :width]))

    def _open(self) -> Any:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"--video: {self.path.parent} cannot be made ({error.strerror})") from error
        return self._writer_of(str(self.path), fps=_FRAMES_PER_SECOND, macro_block_size=1)

    def __enter__(self) -> _Video:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
            if kind is not None:  # half a video is none
                self.path.unlink(missing_ok=True)


def _open_video(folder: Path) -> _Video:
    try:
        import imageio.v2
        import imageio_ffmpeg  # noqa: F401  the plug-in that writes MP4
    except ImportError as error:
        raise ConfigurationError(f"--video: {error.name} is not installed; pip install 'hsuanwu[video]'") from error
    return _Video(folder / "video.mp4", imageio.v2.get_writer)
