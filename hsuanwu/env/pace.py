"""Steps of an environment per second of real time."""

from __future__ import annotations

import math
from typing import Any

import dm_env
import gymnasium
from gymnasium.wrappers import AtariPreprocessing, MaxAndSkipObservation


def gymnasium_pace(env: Any) -> float | None:
    """Return how many steps of a gymnasium environment, or vector, are a second; None if it does not say.

    It is ``metadata["render_fps"]``, divided by the frames that gymnasium's wrappers skip. Environments that skip
    frames themselves count them already.

    Example:
        >>> gymnasium_pace(gymnasium.make("CartPole-v1"))
        50.0
    """
    metadata = getattr(env, "metadata", None)
    pace, layer = _number(metadata.get("render_fps")) if isinstance(metadata, dict) else None, env
    while pace and isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, AtariPreprocessing):
            pace /= layer.frame_skip
        elif isinstance(layer, MaxAndSkipObservation):
            pace /= layer._skip
        layer = layer.env
    return pace


def dm_env_pace(env: dm_env.Environment) -> float | None:
    """Return how many steps of a dm_env environment are a second; None if it does not say.

    It is one over dm_control's ``control_timestep()``.
    """
    try:
        return _number(1 / env.control_timestep())
    except Exception:  # it has none, or one of another kind
        return None


def _number(found: Any) -> float | None:
    try:
        number = float(found)
    except (TypeError, ValueError):
        return None
    return number if 0 < number < math.inf else None
