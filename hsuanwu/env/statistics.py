"""Running statistics inside environments: state that a task must not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hsuanwu.common.errors import ConfigurationError

_CURES = {"obs": "normalize_observation=true", "ret": "learner.normalize_reward=true"}


def check_no_statistics(env: Any) -> None:
    """Check that no wrapper of an environment, or of a vector, keeps running statistics.

    They begin anew in each environment, in each evaluation and when a run is resumed: the same policy would see another
    task each time. Found are attributes whose class is called ``RunningMeanStd``, as gymnasium's wrappers have and
    those of others that follow them.

    Raises:
        ConfigurationError: if one does; it names the key that does the same in one place, and saves it.
    """
    for layer in _layers(env):
        for name, value in list(getattr(layer, "__dict__", {}).items()):
            if type(value).__name__ == "RunningMeanStd":
                cure = next((key for part, key in _CURES.items() if part in name), " and ".join(_CURES.values()))
                raise _error(type(layer).__name__, cure)


def refuse_statistics(wrapper: Any) -> None:
    """Refuse gymnasium's own wrappers that normalise, before they complain of a space that they do not know.

    Raises:
        ConfigurationError: if it is one of them.
    """
    name = getattr(wrapper, "__name__", "")
    cure = {"NormalizeObservation": _CURES["obs"], "NormalizeReward": _CURES["ret"]}.get(name)
    if cure and str(getattr(wrapper, "__module__", "")).startswith("gymnasium."):
        raise _error(name, cure)


def _error(name: str, cure: str) -> ConfigurationError:
    return ConfigurationError(
        f"env.wrappers: {name} keeps running statistics, which begin anew in each environment, in evaluations and in "
        f"resumed runs; leave it out and use {cure}"
    )


def _layers(env: Any) -> Iterator[Any]:
    seen: set[int] = set()
    while env is not None and id(env) not in seen:
        seen.add(id(env))
        yield env
        env = getattr(env, "__dict__", {}).get("env")
