"""Running statistics inside environments: state that a task must not have."""

from __future__ import annotations

import gc
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
        if any(type(part).__name__ == "RunningMeanStd" for part in _parts(layer)):
            attributes = getattr(layer, "__dict__", {})
            names = [name for name, value in attributes.items() if type(value).__name__ == "RunningMeanStd"]
            cures = [key for part, key in _CURES.items() if any(part in name for name in names)]
            raise _error(type(layer).__name__, " and ".join(cures or _CURES.values()))


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
    """Yield an environment and all that it wraps."""
    seen, left = set(), [env]
    while left:
        layer = left.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            left += [part for part in _parts(layer) if all(hasattr(type(part), name) for name in ("reset", "step"))]


def _parts(layer: Any) -> Iterator[Any]:
    """Yield what an object holds, without a look at its ``__dict__``.

    Python keeps the attributes of an object whose ``__dict__`` nobody has asked for in a faster form: a step of
    CartPole takes 4 % longer without it.
    """
    for part in gc.get_referents(layer):
        yield from _values(part, depth=2)


def _values(part: Any, depth: int) -> Iterator[Any]:
    """Yield what is in a dict, and in those within: attributes are one once somebody has asked for it."""
    if type(part) is dict and depth:
        for value in list(part.values()):
            yield from _values(value, depth - 1)
    else:
        yield part
