"""Finding what users name by a path, with errors of one line."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from hsuanwu.common.errors import ConfigurationError, nearest, one_line
from hsuanwu.common.interrupts import is_interruption
from hsuanwu.common.process_settings import exits_raised
from hsuanwu.env.fault import fault_of


def add_current_folder() -> None:
    """Let ``env.id=my_module:MyEnv-v0`` find ``my_module.py`` in the current folder.

    The folder comes last: a file there that is called like a module of Python's must not be taken for it.
    """
    with suppress(OSError):  # it has been removed
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())


def import_module(name: str, key: str) -> ModuleType:
    """Return the imported module ``name``.

    Args:
        name: dotted name of a module on the Python path.
        key: the configuration key that named it.

    Raises:
        ConfigurationError: if the module, or something that it imports, is missing.
        EnvironmentFault: if its own code fails.
    """
    if name.endswith(".py"):
        raise ConfigurationError(
            f"{key}: found {name!r}; write {name.removesuffix('.py').replace('/', '.')}, without .py"
        )
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigurationError(f"{key}: cannot import module {name!r}; use names of Python, joined by dots")
    try:
        with exits_raised():
            return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"{key}: cannot import module {name!r} ({one_line(error)}); it must lie in the current folder, or on the "
            "Python path"
        ) from error
    except BaseException as error:  # sys.exit() at the end of a script, for example
        if is_interruption(error):
            raise
        raise fault_of(error, f"{key}: importing {name}") from error


def import_extra(name: str, distribution: str, extra: str, key: str) -> ModuleType:
    """Return the imported module ``name`` of an optional dependency.

    Args:
        name: dotted name of the module.
        distribution: what pip calls it.
        extra: the extra of ours that installs it.
        key: the configuration key that needs it.

    Raises:
        ConfigurationError: if it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise ConfigurationError(f"{key}: {distribution} cannot be imported ({one_line(error)})") from error
        raise ConfigurationError(f"{key}: {distribution} is not installed; pip install 'hsuanwu[{extra}]'") from error
    except Exception as error:  # a broken OpenGL library raises whatever it likes
        raise ConfigurationError(f"{key}: {distribution} cannot be imported ({one_line(error)})") from error


def load_object(path: str, key: str) -> Any:
    """Return what the dotted path ``path`` names.

    Args:
        path: ``"my_module.make"``; a colon before the name is accepted too.
        key: the configuration key that holds the path.

    Raises:
        ConfigurationError: if there is no such module or no such name in it.

    Example:
        >>> load_object("math.sqrt", "env.factory")(9)
        3.0
    """
    module_name, _, name = str(path).replace(":", ".").rpartition(".")
    if not module_name or not name:
        raise ConfigurationError(f"{key}: found {path!r}; use a dotted path, 'my_module.name' say")
    module = import_module(module_name, key)
    if not hasattr(module, name):
        origin = getattr(module, "__file__", None) or "Python itself"
        raise ConfigurationError(
            f"{key}: module {module_name!r} (of {origin}) has no {name!r}; {nearest(name, dir(module))}"
            "use the path of a function or class in it"
        )
    return getattr(module, name)
