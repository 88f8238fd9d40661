"""Checkpoints: whole or absent, and loadable without running code."""

from __future__ import annotations

import copy
import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from hsuanwu.common.clock import Clock
from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.seeding import derive_seed
from hsuanwu.engine.run_folder import replaced
from hsuanwu.xploit.learner import Learner

FORMAT = 1
BEST = "best.pt"
"""Name of the checkpoint whose policy did best in the evaluations of a run."""

_KEEP = 3
_NAME = re.compile(r"step_(\d+)\.pt")


def save_checkpoint(folder: Path, learner: Learner, clock: Clock, wall_seconds: float) -> Path:
    """Write ``folder/step_<steps>.pt`` and return its path; the three newest are kept.

    The file appears under its name only when it is whole. It holds tensors, numbers and strings alone:
    ``torch.load(path, weights_only=True)`` reads it.

    Raises:
        FloatingPointError: if a weight is not finite: nothing could go on from there.
    """
    path = folder / f"step_{clock.steps:012d}.pt"
    _write(path, _state(learner, clock, wall_seconds))
    for old in list_checkpoints(folder)[:-_KEEP]:
        old.unlink()
    return path


def save_best(folder: Path, learner: Learner, clock: Clock, wall_seconds: float, episode_return: float) -> Path:
    """Write ``folder/best.pt``, which remembers the mean return that it was saved for, and return its path.

    Raises:
        FloatingPointError: if a weight is not finite.
    """
    path = folder / BEST
    _write(path, {**_state(learner, clock, wall_seconds), "eval_episode_return": episode_return})
    return path


def best_return(folder: Path) -> float:
    """Return the mean return that ``folder/best.pt`` was saved for; minus infinity where there is none."""
    return float(_read(folder / BEST)["eval_episode_return"]) if (folder / BEST).exists() else -math.inf


def _state(learner: Learner, clock: Clock, wall_seconds: float) -> dict[str, Any]:
    policy = learner.learner.state_dict()
    if not all(bool(x.isfinite().all()) for x in policy.values() if x.is_floating_point()):
        raise FloatingPointError(
            f"the weights are not finite after {clock.updates} updates, and are not saved; lower learner.lr or "
            "learner.max_grad_norm, and go on from the checkpoint before with resume=true"
        )
    return {
        "format": FORMAT,
        "steps": clock.steps,
        "updates": clock.updates,
        "wall_seconds": wall_seconds,
        "policy": policy,
        "optimizer_name": type(learner.optimizer).__name__,
        "optimizer": learner.optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }


def _write(path: Path, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as partial:
        torch.save(state, partial)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    found = [path for path in folder.glob("step_*.pt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name)


def load_checkpoint(folder: Path, best: bool = False) -> dict[str, Any]:
    """Return what the newest checkpoint of a folder holds, or the best one.

    Raises:
        ConfigurationError: if there is none, or it cannot be read.
    """
    if best:
        if not (folder / BEST).exists():
            raise ConfigurationError(
                f"{folder}: holds no {BEST}; it is kept where eval_interval has the run evaluated while it trains"
            )
        return _read(folder / BEST)
    found = list_checkpoints(folder)
    if not found:
        raise ConfigurationError(f"{folder}: holds no checkpoint; train first, or name the folder of a run")
    return _read(found[-1])


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({type(error).__name__}); remove it to go on from the one before"
        ) from error
    if state.get("format") != FORMAT:
        raise ConfigurationError(f"{path}: has format {state.get('format')}; this version reads {FORMAT}")
    return state


def restore_policy(learner: Learner, state: dict[str, Any], source: Path) -> None:
    """Put the weights of a checkpoint into both policies.

    Raises:
        ConfigurationError: if they are those of another network.
    """
    try:
        learner.learner.load_state_dict(state["policy"])
        learner.actor.load_state_dict(state["policy"])
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
        raise ConfigurationError(
            f"resume: the checkpoint in {source} is of another network ({first}); "
            f"keep env, encoder, policy, distribution, feature_dim, normalize_observation and learner.use_lstm as they "
            "were"
        ) from error


def _state_keys(optimizer: torch.optim.Optimizer) -> set[str]:
    """Return what an optimizer of this class and these settings keeps for a weight."""
    weight = torch.nn.Parameter(torch.zeros_like(optimizer.param_groups[0]["params"][0]))
    weight.grad = torch.zeros_like(weight)
    other = copy.copy(optimizer)
    other.param_groups, other.state = [{**optimizer.param_groups[0], "params": [weight]}], defaultdict(dict)
    other.step()
    return set(other.state[weight])


def restore(learner: Learner, clock: Clock, state: dict[str, Any], source: Path) -> None:
    """Put a checkpoint back: weights, optimizer, clock and torch's random state.

    That of a GPU is not saved, as a run may go on elsewhere: a GPU draws what this run has not drawn yet.

    Raises:
        ConfigurationError: if it is of another network or optimizer.
    """
    restore_policy(learner, state, source)
    found, name = state["optimizer_name"], type(learner.optimizer).__name__
    if found != name:
        raise ConfigurationError(
            f"resume: the checkpoint in {source} is of another optimizer, {found}; keep learner.optimizer={found}"
        )
    chosen = [dict(group) for group in learner.optimizer.param_groups]
    learner.optimizer.load_state_dict(state["optimizer"])
    for group, settings in zip(learner.optimizer.param_groups, chosen, strict=True):
        # the configuration says how to go on: its learning rate is the schedule's start, not the saved one
        group.pop("initial_lr", None)
        group.update(settings)
    if missing := sorted(_state_keys(learner.optimizer) - set().union(*state["optimizer"]["state"].values())):
        raise ConfigurationError(
            f"resume: the checkpoint in {source} lacks what the optimizer needs ({', '.join(missing)}); "
            "keep learner.optimizer_kwargs as they were"
        )
    clock.steps, clock.updates = state["steps"], state["updates"]
    torch.set_rng_state(state["rng"])
    torch.cuda.manual_seed_all(derive_seed(torch.initial_seed(), "resume", clock.updates))
