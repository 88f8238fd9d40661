"""What constructors take: hyper-parameters, which a configuration sets, and wiring, which the run passes on."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import KINDS


def wiring_names(cls: type, kind: str) -> set[str]:
    """Return the constructor parameters that the composition root passes: those without a default, and modules.

    What an environment's factory needs (``env.id`` say) only the user can know: it is no wiring.
    """
    parameters = constructor_parameters(cls).values()
    modules = {p.name for p in parameters if p.name in KINDS}
    if kind == "env":
        return modules
    return modules | {p.name for p in parameters if p.default is p.empty}


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor by name, with types for annotations.

    Where it passes keywords on (``**kwargs``), those of the parents too.
    """
    found: dict[str, inspect.Parameter] = {}
    for parent, parameters in _constructors(cls):
        own = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        found = {p.name: p.replace(annotation=_hint(parent, p)) for p in own} | found
    return found


def takes_any_keyword(cls: type) -> bool:
    """Return whether a constructor takes keywords that neither it nor a parent names."""
    return all(any(p.kind is p.VAR_KEYWORD for p in parameters) for _, parameters in _constructors(cls))


def check_nest(value: Any, hint: Any, key: str) -> None:
    """Check that a value is a mapping where an annotation asks for one, and that a list of plain values holds no nest.

    omegaconf converts the entries of lists, and lets nests among them through.

    Args:
        value: as it is in a configuration; None where it is missing.
        hint: the annotation of the parameter.
        key: for the message.

    Raises:
        ConfigurationError: if it does not.
    """
    if _is_mapping(hint) and not (value is None or isinstance(value, DictConfig)):
        raise ConfigurationError(f"{key}: found {value}; use a mapping, {{name: value}} for example")
    is_plain = plain_entries(hint) is not None and isinstance(value, ListConfig)
    for index, entry in enumerate(value if is_plain else ()):
        if isinstance(entry, (ListConfig, DictConfig)):
            raise ConfigurationError(f"{key}[{index}]: found {entry}; a single value was expected")


def _is_mapping(hint: Any) -> bool:
    """Return whether an annotation is that of a dict, or of a dict or None."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return {typing.get_origin(part) or part for part in parts} - {types.NoneType} == {dict}


def plain_entries(hint: Any) -> type | None:
    """Return the type of the entries of a list or a tuple of plain values of one type; None for other annotations."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    for part in parts:
        entries = set(typing.get_args(part)) - {Ellipsis}
        if typing.get_origin(part) in (tuple, list) and len(entries) == 1 and entries <= {int, float, bool, str}:
            return entries.pop()
    return None


def _constructors(cls: type) -> Iterator[tuple[type, Sequence[inspect.Parameter]]]:
    """Yield a class and its constructor's parameters, and those of its parents as long as keywords are passed on."""
    for parent in cls.__mro__[:-1]:
        if parent is cls or "__init__" in vars(parent):
            parameters = list(inspect.signature(parent).parameters.values())
            yield parent, parameters
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                return


def _hint(cls: type, parameter: inspect.Parameter) -> Any:
    """Return the annotation of a parameter; Any where it names what is not there at run time."""
    holder = types.SimpleNamespace(__annotations__={"hint": parameter.annotation})
    try:
        return typing.get_type_hints(holder, vars(sys.modules[cls.__module__]))["hint"]
    except (NameError, TypeError):
        return Any
