"""Evaluation of a finished run from its folder, with video."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from hsuanwu.common.errors import ConfigurationError, warn_of_environment
from hsuanwu.engine.build import Agent, build_agent, check_run_keys, timeout_seconds
from hsuanwu.engine.checkpoint import load_checkpoint, restore_policy
from hsuanwu.engine.config import complete
from hsuanwu.engine.evaluator import EPISODES, evaluate, most_steps
from hsuanwu.engine.logger import longest_episode
from hsuanwu.engine.run_folder import RunFolder, run_named
from hsuanwu.engine.screen import open_video, open_window
from hsuanwu.engine.spaces_file import check_spaces
from hsuanwu.engine.trust import check_trusted


def evaluate_run(
    run_dir: Path,
    episodes: int | None,
    seed: int,
    *,
    best: bool = False,
    trust: bool = False,
    deterministic: bool = True,
    video_dir: Path | None = None,
    video_episodes: int = 1,
    render: bool = False,
) -> dict[str, Any]:
    """Return what a checkpoint of a run reaches, the newest one by default; see ``Evaluation.to_dict``.

    Args:
        run_dir: the folder of a run, or one of its checkpoints.
        episodes: how many episodes, at least 1; None for ``eval_episodes`` of the run.
        seed: of environments and actions.
        best: take the checkpoint that did best in the evaluations of the run, not the newest one.
        trust: run what the configuration names, although a stranger may have written it.
        deterministic: take the mode of each action distribution; else sample.
        video_dir: write more episodes there, ``video.mp4``; its path is returned as ``video``.
        video_episodes: how many.
        render: show the episodes in a window, one after the other, at their own pace.

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
        with open_video(video_dir.absolute()) as video:
            play(episodes=video_episodes, on_frame=video.append)
        extra["video"] = str(video_dir / video.path.name)
    episodes = episodes or cfgs.eval_episodes or EPISODES
    if render:
        with open_window() as window:
            evaluation = play(episodes=episodes, on_frame=window.append)
    else:
        evaluation = play(episodes=episodes)
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
    folder.check_links("RUN_DIR")
    saved = folder.load_config()
    if not trust:
        check_trusted(folder, saved, "RUN_DIR")
    cfgs = complete(saved)
    cfgs.device = "cpu"
    check_run_keys(cfgs)
    agent = build_agent(cfgs)
    check_spaces(folder, agent.observation_space, agent.action_space)
    restore_policy(agent.learner, load_checkpoint(folder, best, checkpoint), folder.checkpoints)
    return agent, cfgs
