"""Files of a run folder, read as if a stranger had made them: no link out of it, no pipe, nothing without bounds."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hsuanwu.common.errors import ConfigurationError, file_named, one_line

_MOST_BYTES = 1 << 20
_MOST_DEPTH = 40
_MOST_SHOWN = 200


def check_usable(path: Path, key: str = "run_dir") -> None:
    """Check that a path may lead to a folder, whether that is there or not.

    Raises:
        ConfigurationError: if it is or goes through a file, has a name that is too long, or cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else one_line(error)
        raise ConfigurationError(
            f"{key}: {str(path)[:_MOST_SHOWN]} cannot be used ({reason}); choose another path"
        ) from error
    if not stat.S_ISDIR(mode):
        raise ConfigurationError(f"{key}: {str(path)[:_MOST_SHOWN]} is no folder; choose another path")


def check_inside(folder: Path, path: Path, key: str = "run_dir") -> None:
    """Check that a path, if there is anything, is a file or a folder that lies in ``folder``, not behind a link.

    Raises:
        ConfigurationError: if a link leads out of the folder, or it is a pipe, a socket or a device.
        OSError: if it cannot be looked at; it names the path.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ConfigurationError(
                    f"{key}: {path} is a link to {path.readlink()}, outside of the run folder; put it there itself"
                )
            mode = path.stat().st_mode if path.exists() else stat.S_IFREG
    except FileNotFoundError:
        return
    except RuntimeError as error:  # a circle of links
        raise ConfigurationError(f"{key}: {path} cannot be looked at ({one_line(error)})") from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ConfigurationError(f"{key}: {path} is neither a file nor a folder; remove it")


def read_text(folder: Path, path: Path, key: str = "run_dir") -> str:
    """Return the text of a small file of a run folder.

    Raises:
        ConfigurationError: if it cannot be read, is no text, or has more than a megabyte.
    """
    check_inside(folder, path, key)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{key}: {path} has more than {_MOST_BYTES:,} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{key}: {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{key}: {path} is no text ({one_line(error)})") from error


def read_lines(path: Path, key: str = "run_dir") -> Iterator[str]:
    """Yield the lines of a file of a run folder, with their ends, one at a time: the file may be larger than memory.

    The last one has no end if whoever wrote it was killed; only that one may be no text. Lines that Windows ended are
    as any others.

    Raises:
        ConfigurationError: if a line is no text, or has more than a megabyte; it names the line.
        OSError: if the file cannot be read; it names the path.
    """
    with file_named(path), path.open("rb") as file:
        for number in itertools.count(1):
            line = file.readline(_MOST_BYTES)
            if not line:
                return
            if len(line) == _MOST_BYTES and not line.endswith(b"\n"):
                raise ConfigurationError(
                    f"{key}: {path}, line {number}: has more than {_MOST_BYTES:,} bytes; remove it"
                )
            try:
                text = line.decode("utf-8", "strict" if line.endswith(b"\n") else "replace")
            except UnicodeDecodeError as error:
                raise ConfigurationError(
                    f"{key}: {path}, line {number}: is no text ({error.reason}); remove that line"
                ) from error
            yield text.replace("\r\n", "\n")


def read_config(folder: Path, path: Path, key: str = "run_dir") -> DictConfig:
    """Return a configuration that a run has saved: plain values, of which nothing is resolved.

    Raises:
        ConfigurationError: if the file is no YAML, holds no keys, or more than a run would write: values that
            refer to others, anchors, tags, or a nest without an end.
    """
    text = read_text(folder, path, key)
    try:
        _check_events(text)
        config = OmegaConf.create(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{key}: {path} is no YAML ({one_line(error):.300})") from error
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{key}: {path} is no configuration ({one_line(error):.300})") from error
    if not isinstance(config, DictConfig):
        raise ConfigurationError(f"{key}: {path} is no configuration (it holds a list; keys were expected)")
    for name, value in _values(OmegaConf.to_container(config, resolve=False)):
        if isinstance(value, str) and "${" in value:
            raise ConfigurationError(f"{key}: {path}: {name} holds {value!r:.80}; write its value, nothing is resolved")
    return config


def _check_events(text: str) -> None:
    """Check what the YAML parser sees before anything is built: an anchor can stand for a billion values."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {event.start_mark.line + 1} refers to an anchor")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if depth > _MOST_DEPTH:
            raise ValueError(f"line {event.start_mark.line + 1} is nested more than {_MOST_DEPTH} deep")
        if getattr(event, "tag", None):
            raise ValueError(f"line {event.start_mark.line + 1} has the tag {event.tag!r}")


def _values(x: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key, and each value with its dotted name, of a nest; a key counts as a value of its own name."""
    if isinstance(x, dict):
        for key, value in x.items():
            dotted = f"{name}.{key}" if name else str(key)
            yield dotted, key
            yield from _values(value, dotted)
    elif isinstance(x, list):
        for index, value in enumerate(x):
            yield from _values(value, f"{name}[{index}]")
    else:
        yield name, x
