"""Checkpoints of a run: what they hold of a learner, which are kept, and which one a run goes on from."""

from __future__ import annotations

import copy
import math
import re
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from hsuanwu.common.clock import Clock
from hsuanwu.common.errors import ConfigurationError, one_line, warn_of_run
from hsuanwu.common.seeding import derive_seed
from hsuanwu.engine.checkpoint_file import (
    DamagedCheckpointError,
    read_checkpoint,
    recorded_digests,
    write_checkpoint,
)
from hsuanwu.engine.foreign_files import check_inside
from hsuanwu.engine.run_folder import RunFolder
from hsuanwu.xploit.learner import Learner

BEST = "best.pt"
"""Name of the checkpoint whose policy did best in the evaluations of a run."""

_KEEP = 3
_LARGE = 1e6
"""Size that no weight has that is learnt; statistics of observations, which are no weights, may be larger."""
_NAME = re.compile(r"step_(\d+)\.pt")


def save_checkpoint(folder: RunFolder, learner: Learner, clock: Clock, wall_seconds: float) -> Path:
    """Write ``checkpoints/step_<steps>.pt`` and return its path; the three newest are kept.

    Those of later steps are of a course that the run has left, for one of them was damaged: they are put aside
    as ``.damaged``.

    Raises:
        FloatingPointError: if a weight is not finite: nothing could go on from there.
    """
    name = f"step_{clock.steps:012d}.pt"
    others = [path for path in list_checkpoints(folder) if path.name != name]
    later = [path for path in others if path.name > name]
    old = [path for path in others if path.name < name][: 1 - _KEEP]
    path = write_checkpoint(folder, name, _state(learner, clock, wall_seconds), leaving=[*later, *old])
    with suppress(OSError):  # a file that cannot be removed harms nobody
        for other in later:
            other.replace(other.with_suffix(".damaged"))
        for other in old:
            other.unlink()
    return path


def save_best(folder: RunFolder, learner: Learner, clock: Clock, wall_seconds: float, episode_return: float) -> Path:
    """Write ``checkpoints/best.pt``, which remembers the mean return that it was saved for, and return its path.

    Raises:
        FloatingPointError: if a weight is not finite.
    """
    return write_checkpoint(
        folder, BEST, {**_state(learner, clock, wall_seconds), "eval_episode_return": episode_return}
    )


def best_return(folder: RunFolder) -> float:
    """Return the mean return that ``best.pt`` was saved for; minus infinity where there is none that is whole."""
    if not (folder.checkpoints / BEST).exists():
        return -math.inf
    try:
        return float(_read_best(folder)["eval_episode_return"])
    except DamagedCheckpointError as error:
        warn_of_run(f"{error}; the next evaluation begins a new one")
        return -math.inf


def _read_best(folder: RunFolder) -> dict[str, Any]:
    state = read_checkpoint(folder, BEST)
    value = state.get("eval_episode_return")
    if not isinstance(value, (int, float)) or math.isnan(value):
        raise DamagedCheckpointError(f"{folder.checkpoints / BEST}: is damaged (eval_episode_return is {value!r:.80})")
    return state


def _state(learner: Learner, clock: Clock, wall_seconds: float) -> dict[str, Any]:
    policy = learner.learner.state_dict()
    if not all(bool(x.isfinite().all()) for x in policy.values() if x.is_floating_point()):
        raise FloatingPointError(
            f"the weights are not finite after {clock.updates} updates, and are not saved; lower learner.lr or "
            "learner.max_grad_norm, and go on from the checkpoint before with resume=true"
        )
    largest = max((float(x.detach().abs().max()) for x in learner.learner.parameters() if x.numel()), default=0.0)
    if largest > _LARGE:
        warn_of_run(
            f"weights of the policy are larger than {_LARGE:g}, as in a run that has diverged; lower learner.lr or "
            "learner.max_grad_norm"
        )
    return {
        "steps": clock.steps,
        "updates": clock.updates,
        "wall_seconds": wall_seconds,
        "policy": policy,
        "optimizer_name": type(learner.optimizer).__name__,
        "optimizer": learner.optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }


def list_checkpoints(folder: RunFolder) -> list[Path]:
    """Return the checkpoints of a run, oldest first, without the best one."""
    check_inside(folder.path, folder.checkpoints)
    found = [path for path in folder.checkpoints.glob("step_*.pt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name)


def check_not_lost(folder: RunFolder) -> None:
    """Check that a run that has saved checkpoints still has one.

    Raises:
        ConfigurationError: if all are gone: it would begin anew, over what it has logged.
    """
    if not list_checkpoints(folder) and (lost := sorted(x for x in recorded_digests(folder) if _NAME.fullmatch(x))):
        raise ConfigurationError(
            f"resume: {folder.checkpoints} holds no checkpoint any more, {lost[-1]} was the last; put one back, or "
            "choose another run_dir to begin anew"
        )


def load_checkpoint(folder: RunFolder, best: bool = False, name: str | None = None) -> dict[str, Any]:
    """Return what the newest whole checkpoint of a run holds, the best one, or the one of a name.

    Where the newest is taken, each damaged one is warned of.

    Raises:
        ConfigurationError: if there is none that is whole.
    """
    if name is not None:
        return read_checkpoint(folder, name)
    if best:
        if not (folder.checkpoints / BEST).exists():
            raise ConfigurationError(
                f"{folder.checkpoints}: holds no {BEST}; it is kept where eval_interval has the run evaluated while "
                "it trains"
            )
        return _read_best(folder)
    found = list_checkpoints(folder)
    if not found:
        raise ConfigurationError(f"{folder.checkpoints}: holds no checkpoint; train first, or name the folder of a run")
    damaged: list[DamagedCheckpointError] = []
    for path in reversed(found):
        try:
            state = read_checkpoint(folder, path.name)
        except DamagedCheckpointError as error:
            damaged.append(error)
            continue
        for damage in damaged:
            warn_of_run(f"{damage}; {path.name}, an older one, is used")
        return state
    raise ConfigurationError(f"{damaged[0]}; none of the {len(found)} checkpoints there is whole")


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
    try:
        learner.optimizer.load_state_dict(state["optimizer"])
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"resume: the checkpoint in {source} has a state that {name} cannot take ({one_line(error)})"
        ) from error
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
