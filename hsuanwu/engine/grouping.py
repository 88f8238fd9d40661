"""Runs of several settings, told apart by what varies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.engine.config import flat_values
from hsuanwu.engine.foreign_files import read_text
from hsuanwu.engine.run_folder import RunFolder, env_name

_REPETITION = {"seed", "run_dir", "resume", "total_steps", "device", "compile"}
_REPETITION |= {"log_interval", "checkpoint_interval", "eval_interval", "eval_episodes"}
"""Keys in which repetitions of one run may differ."""
_MOST_KEYS = 4


def groups_of(run_dirs: Sequence[Path]) -> dict[str, list[int]]:
    """Return the runs that are repetitions of one another, by what sets them apart from the others.

    Their order is that of their first runs. Seeds, lengths, what is logged and what ``auto`` chose do not count, nor
    does a run folder without a configuration that can be read.

    Returns:
        Indices into ``run_dirs`` by label, ``"learner.lr=0.001, env CartPole-v1"`` for example; one empty label where
        nothing varies.
    """
    settings = [_settings(RunFolder(Path(run_dir))) for run_dir in run_dirs]
    known = [values for values in settings if values]
    varying = [key for key in _keys(known) if len({values.get(key) for values in known}) > 1]
    groups: dict[str, list[int]] = {}
    for index, values in enumerate(settings):
        groups.setdefault(_label(values, varying), []).append(index)
    return groups


def _keys(settings: Iterable[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(key for values in settings for key in values))


def _label(values: Mapping[str, str], varying: Sequence[str]) -> str:
    if not varying:
        return ""
    if not values:
        return "no config.yaml"
    parts = [f"{key} {values[key]}" if key == "env" else f"{key}={values.get(key, 'none')}" for key in varying]
    more = len(parts) - _MOST_KEYS
    return ", ".join(parts[:_MOST_KEYS]) + (f" and {more} more" if more > 0 else "")


def _settings(folder: RunFolder) -> dict[str, str]:
    """Return what a run was told, flat; its environment by name."""
    try:
        cfgs = OmegaConf.to_container(folder.load_config(), resolve=False)
    except ConfigurationError:
        return {}
    if not isinstance(cfgs, dict):
        return {}
    values = {str(key): value for key, value in cfgs.items()}
    env = values.pop("env", None)
    named = {"env": env_name(env)} if isinstance(env, dict) else {}
    chosen = _chosen_by_auto(folder)
    flat = {key: str(x) for key, x in flat_values(values) if key not in _REPETITION and key not in chosen}
    rest = {key: value for key, value in env.items() if not isinstance(value, str)} if named else {}  # not in the name
    return named | flat | {f"env.{key}": str(x) for key, x in flat_values(rest) if key}


def _chosen_by_auto(folder: RunFolder) -> set[str]:
    try:
        chosen: Any = json.loads(read_text(folder.path, folder.calibration))["chosen"]
        return {*chosen, "storage.slots_per_actor"}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
