"""The text of ``hsuanwu-train --help``: groups, and the value, type, default and meaning of each key."""

from __future__ import annotations

import importlib.resources
import inspect
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.config import RUN_KEYS, RunConfig, target_path
from hsuanwu.engine.signatures import constructor_parameters

_HEAD = """hsuanwu-train [experiment=NAME] [group=option] [key=value] ...   (-m for sweeps: -m seed=1,2,3)

Trains an agent, evaluates it and leaves everything in a run folder. Below: the groups with their options, then every
key with its value, what it takes, and what it means. What is written beside --help counts: the values of a recipe are
shown by experiment=impala_pong --help."""
_COMMENTED = re.compile(r"^(\w+):\s*\S+\s+#\s*(.*)$", re.MULTILINE)
_ARGUMENT = re.compile(r"(\w+): (.*)")
_WORDS: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    type(None): "null",
}


def help_text(overrides: Sequence[str]) -> str:
    """Return the help for a configuration that is composed with ``overrides``."""
    with initialize_config_module("hsuanwu.cfgs", version_base="1.3"):
        cfgs = compose("config", list(overrides))
        loader = GlobalHydra.instance().config_loader()
        groups = [(group, loader.get_group_options(group)) for group in sorted([*KINDS, "experiment"])]
    width = max(60, min(120, shutil.get_terminal_size().columns))

    def wrapped(text: str, indent: str = "    ") -> str:
        return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)

    lines = [_HEAD, "", "Groups", *(wrapped(f"{group}: {', '.join(names)}") for group, names in groups)]
    lines += ["", "Keys", *map(wrapped, _run_level(cfgs))]
    for kind in KINDS:
        lines += ["", *map(wrapped, _of_module(kind, OmegaConf.select(cfgs, kind)))]
    return "\n".join(lines)


def _run_level(cfgs: DictConfig) -> Iterator[str]:
    text = (importlib.resources.files("hsuanwu.cfgs") / "config.yaml").read_text("utf-8")
    defaults, meanings = cast(DictConfig, OmegaConf.create(text)), dict(_COMMENTED.findall(text))
    hints = typing.get_type_hints(RunConfig)
    for key in RUN_KEYS:
        yield _line(key, OmegaConf.select(cfgs, key), hints[key], defaults.get(key), meanings.get(key, ""))


def _of_module(kind: str, section: Any) -> Iterator[str]:
    cls = next((x for x in options(kind).values() if section and target_path(x) == section.get("_target_")), None)
    if not section:
        yield f"{kind}=null  (chosen to fit, or none; {kind}=NAME --help shows the keys of one)"
        return
    yield f"{kind}: {section.get('_target_')}"
    parameters, meanings = (constructor_parameters(cls), meanings_of(cls)) if cls is not None else ({}, {})
    for name, value in cast(dict[str, Any], OmegaConf.to_container(section)).items():
        if name != "_target_":
            parameter = parameters.get(name)
            hint, default = (parameter.annotation, parameter.default) if parameter else (Any, value)
            yield _line(f"{kind}.{name}", value, hint, default, meanings.get(name, ""))


def _line(key: str, value: Any, hint: Any, default: Any, meaning: str) -> str:
    shown, usual = _shown(value), _shown(default)
    kind = in_words(hint)
    notes = [kind] if kind else []
    if default is inspect.Parameter.empty:
        notes.append("has to be given")
    elif usual != shown:
        notes.append(f"default: {usual}")
    return f"{key}={shown}  ({'; '.join(notes)})  {meaning}".rstrip() if notes else f"{key}={shown}  {meaning}".rstrip()


def _shown(value: Any) -> str:
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, types.MappingProxyType):
        value = dict(value)
    return str(list(value) if isinstance(value, tuple) else value)


def in_words(hint: Any) -> str:
    """Return what a type takes; an empty string where that says nothing.

    Example:
        >>> in_words(float | None), in_words(typing.Union[int, str]), in_words(list[int])
        ('number or null', 'whole number or auto', 'list')
    """
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    words = []
    for part in parts:
        origin = typing.get_origin(part) or part
        if part is str and {int, bool} & set(parts):
            words.append("auto")
        elif part in _WORDS:
            words.append(_WORDS[part])
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            words.append("mapping")
        elif isinstance(origin, type) and issubclass(origin, Sequence):
            words.append("list")
    return " or ".join(words)


def meanings_of(cls: type) -> dict[str, str]:
    """Return what the section ``Args`` of a class's docstring says of each parameter."""
    lines = (inspect.getdoc(cls) or "").splitlines()
    if "Args:" not in lines:
        return {}
    found: dict[str, str] = {}
    name = ""
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith("    "):
            break
        match = _ARGUMENT.fullmatch(line[4:])
        if match and line[4:5] != " ":
            name, found[match[1]] = match[1], match[2]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return {name: re.sub(r"\bNone\b", "null", text.replace("``", "")) for name, text in found.items()}
