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
                raise ConfigurationError(
                    f"env.wrappers: {type(layer).__name__} keeps running statistics ({name}), which begin anew in each "
                    f"environment, in evaluations and in resumed runs; leave it out and use {cure}"
                )


def _layers(env: Any) -> Iterator[Any]:
    seen: set[int] = set()
    while env is not None and id(env) not in seen:
        seen.add(id(env))
        yield env
        env = getattr(env, "__dict__", {}).get("env")
