"""The table of modules: a dict and three functions.

A module enters it with one decorator and one export line::

    @register("encoder", "mnih_cnn")
    class MnihCnnEncoder(Encoder): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hsuanwu.common.errors import ConfigurationError, nearest

KINDS = (
    "augmentation",
    "distribution",
    "encoder",
    "env",
    "learner",
    "policy",
    "storage",
    "transport",
)
"""The closed set of module kinds. Each is also the name of a Hydra config group."""

_TABLE: dict[str, dict[str, type]] = {kind: {} for kind in KINDS}
NO_KWARGS: dict[str, Any] = {}
"""The default of free-form arguments, never changed: a dict, so that ``env.kwargs.size=8`` has something to add to."""

_T = TypeVar("_T", bound=type)


def register(kind: str, name: str) -> Callable[[_T], _T]:
    """Return a decorator that puts a class in the table under ``kind`` and ``name``.

    Args:
        kind: one of ``KINDS``.
        name: what users write on the command line, ``kind=name``; singular snake_case.

    Raises:
        ConfigurationError: if the kind is unknown, or the name belongs to another class.
    """
    table = _TABLE.get(kind)
    if table is None:
        raise ConfigurationError(f"{kind!r} is no kind of module; kinds: {', '.join(KINDS)}")

    def decorate(cls: _T) -> _T:
        holder = table.setdefault(name, cls)
        if _path(holder) != _path(cls):
            raise ConfigurationError(f"{kind}={name} is {_path(holder)}; {_path(cls)} needs another name")
        table[name] = cls
        return cls

    return decorate


def lookup(kind: str, name: str) -> type:
    """Return the class registered under ``kind`` and ``name``.

    Raises:
        ConfigurationError: one line that names the closest option and lists all.
    """
    table = options(kind)
    if name not in table:
        raise ConfigurationError(f"{kind}: {name!r} is unknown; {nearest(name, table)}options: {', '.join(table)}")
    return table[name]


def options(kind: str) -> dict[str, type]:
    """Return the classes of one kind by name, sorted; a copy.

    Raises:
        ConfigurationError: if the kind is unknown.
    """
    if kind not in _TABLE:
        raise ConfigurationError(f"{kind!r} is no kind of module; kinds: {', '.join(KINDS)}")
    return dict(sorted(_TABLE[kind].items()))


def _path(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
