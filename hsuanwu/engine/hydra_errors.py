"""What Hydra and omegaconf refuse, in one line that names the key and what would be right."""

from __future__ import annotations

import re

from hydra.core.config_store import ConfigStore
from hydra.errors import OverrideParseException
from omegaconf.errors import InterpolationResolutionError

from hsuanwu.common.errors import nearest
from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.config import RUN_KEYS
from hsuanwu.engine.slips import OTHER_WORDS

NULL_GROUP = "Config group override must be"
"""How the message of a ValueError begins that Hydra raises for ``encoder=null``."""

_AMBIGUOUS = re.compile(r"Ambiguous value for argument '([^=']+)=([^']*)'")
_NO_SUCH_KEY = re.compile(r"Interpolation key '([^']+)' not found")
_UNKNOWN_KEY = re.compile(r"Key '([^']+)' is not in struct|Key '([^']+)' not in")
_OVERRIDE = re.compile(r"(?:Could not override|merging override) '?([^\s'=]+)")
_CHOSEN = re.compile(r"object_type=(\w+)Config\b")
_NO_OPTION = re.compile(r"Could not (?:find|load) '([^']+)/([^/']+)'")
_WRONG_TYPE = re.compile(r"Value '(.*)' of type '(\w+)' could not be converted to (\w+)", re.DOTALL)
_NOT_A_LIST = re.compile(r"Invalid value assigned: (\w+) is not a (ListConfig|DictConfig)")
_NO_AUTO = re.compile(r"Value '(.*)' of type '\w+' is incompatible with type hint 'Union\[(\w+), str\]'", re.DOTALL)
_NO_STRING = re.compile(r"Cannot convert '\w+' to string: '(.*)'", re.DOTALL)
_NO_BOOLEAN = re.compile(r"Value '(.*)' is not a valid bool", re.DOTALL)
_NOT_OPTIONAL = re.compile(r"field '\S+' is not Optional")
_NO_ENTRY = re.compile(r"Invalid type assigned: NoneType is not a subclass of (\w+)\.")
_NOT_A_DICT = re.compile(r"Cannot assign (\w+) to Dict")
_FULL_KEY = re.compile(r"full_key: (\S+)")
_TYPES_OR_AUTO = {"int": "a whole number of 1 or more, or auto", "bool": "true, false or auto"}
_ENTRIES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a word"}
_TYPES = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}


def explain(error: Exception) -> str:
    """Return one line for an exception that Hydra or omegaconf raised over a user's configuration."""
    text = _whole_text(error)
    if isinstance(error, OverrideParseException):
        return _explain_grammar(error.override)
    if found := _AMBIGUOUS.search(text):
        return f"{found[1]}: found several values, {found[2]}; add -m to run each of them"
    full_key = _FULL_KEY.search(text)
    where = f"{full_key[1]}: " if full_key else "configuration: "
    if found := _NO_SUCH_KEY.search(text):
        return f"{where}refers to ${{{found[1]}}}, and there is no such key; {_meant(found[1])}write a value"
    if isinstance(error, InterpolationResolutionError):
        return f"{where}refers to what cannot be found: {_reason(error)}"
    if text.startswith(NULL_GROUP):
        return "a group was set to null; ~encoder, say, leaves out what a recipe chose for it"
    if found := _NO_OPTION.search(text):
        return _explain_option(found[1], found[2], text)
    if wrong := _explain_value(text):
        return f"{full_key[1] if full_key else 'configuration'}: {wrong}"
    override = _OVERRIDE.search(text)
    if override or _UNKNOWN_KEY.search(text):
        key = full_key[1] if full_key else override[1] if override else "configuration"
        return _explain_key(key, _CHOSEN.search(text))
    return " ".join(text.split())


def _reason(error: InterpolationResolutionError) -> str:
    """Return what a resolver said, ``Environment variable 'X' not found`` for example."""
    quoted = re.search(r'"(.+)"', str(error).splitlines()[0])
    return quoted[1] if quoted else str(error).splitlines()[0]


def _explain_grammar(override: str) -> str:
    """Return what to write instead of an override that Hydra's grammar has no place for."""
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override}: write key=value, without spaces"
    if key != key.rstrip():
        return f"{key.strip()}: write {key.strip()}={value.strip()}, without spaces"
    if any(value.count(left) != value.count(right) for left, right in ("[]", "{}", "()")):
        return f"{key}: found {value!r}; a bracket is missing, or quote it: '{key}=\"{value}\"'"
    return f"{key}: found {value!r}; quote it: '{key}=\"{value}\"'"


def _explain_value(text: str) -> str | None:
    """Return what was found and what would be right, if a value is of the wrong type."""
    if found := _WRONG_TYPE.search(text):
        right = _TYPES.get(found[3], found[3])
        is_whole = found[2] == "float" and found[3] == "Integer" and float(found[1]).is_integer()
        return f"found {found[1]!r}; use {right}" + (f", {int(float(found[1])):_}" if is_whole else "")
    if found := _NO_AUTO.search(text):
        return f"found {found[1]!r}; use {_TYPES_OR_AUTO.get(found[2], found[2])}"
    if found := _NO_STRING.search(text):
        return f"found {found[1]!r}; use a word"
    if found := _NO_BOOLEAN.search(text):
        return f"found {found[1]!r}; use true or false"
    if found := _NO_ENTRY.search(text):
        return f"found null; use {_ENTRIES.get(found[1], found[1])}"
    if _NOT_OPTIONAL.search(text):
        return "found null; write a value, or leave it out where it has a default"
    if found := _NOT_A_LIST.search(text):
        right = "a list, [64, 64] say" if found[2] == "ListConfig" else "a mapping, {name: value} say"
        return f"found {found[1]}; use {right}"
    if found := _NOT_A_DICT.search(text):
        return f"found {found[1]}; use a mapping, {{name: value}} say"
    return None


def _whole_text(error: BaseException) -> str:
    cause = f"\n{_whole_text(error.__cause__)}" if error.__cause__ is not None else ""
    return f"{error}{cause}"


def _explain_option(group: str, name: str, text: str) -> str:
    group = group.lstrip("/")
    known = [path.removesuffix(".yaml") for path in re.findall(r"^\t(\S+)$", text, re.MULTILINE)]
    known += list(options(group)) if group in KINDS else []
    return f"{group}: {name!r} is unknown; {nearest(name, known)}options: {', '.join(sorted(set(known)))}"


def _explain_key(key: str, of_class: re.Match[str] | None) -> str:
    group, _, rest = key.partition(".")
    if rest and group in KINDS:
        if rest == "_target_":
            return f"{key}: no {group} is chosen yet; write '{group}={{_target_: my_module.MyClass}}'"
        known = sorted(f"{group}.{field}" for field in _fields(group))
        if key in known:
            having = _having(group, rest)
            right = having[0] if len(having) == 1 else f"<one of {', '.join(having)}>"
            return f"{key}: the chosen {group} has no such key; choose {group}={right}"
        chosen = [name for name, cls in options(group).items() if of_class and cls.__name__ == of_class[1]]
        if chosen:
            group, known = f"{group}={chosen[0]}", sorted(f"{group}.{field}" for field in _fields(group, chosen[0]))
        return f"{key}: unknown key; {_meant(rest, key.partition('.')[0])}{group} has {', '.join(known)}"
    return explain_run_key(key)


def explain_run_key(key: str) -> str:
    """Return one line for a run-level key that there is not."""
    known = [*RUN_KEYS, *KINDS, "experiment"]
    if key in ("wandb", "mlflow", "tensorboard", "logger"):
        return f"{key}: unknown key; there is no such logger, TensorBoard's file and metrics.jsonl are always written"
    meant = next((f"did you mean '{group}.{key}'? " for group in KINDS if key in _fields(group)), _meant(key))
    return f"{key}: unknown key; {meant}run-level keys: {', '.join(known)}"


def _meant(key: str, group: str | None = None) -> str:
    """Return ``"did you mean 'x'? "`` for a word of other libraries, or the nearest one of ours; else nothing."""
    if key in OTHER_WORDS:
        return f"did you mean '{OTHER_WORDS[key]}'? "
    if group is None:
        return nearest(key, [*RUN_KEYS, *KINDS, "experiment"])
    return nearest(key, sorted(_fields(group))).replace("'", f"'{group}.", 1)


def _fields(group: str, name: str | None = None) -> set[str]:
    """Return the hyper-parameters of one option of a group, or of all of them."""
    names = [name] if name is not None else list(options(group))
    nodes = [ConfigStore.instance().load(f"{group}/{name}.yaml").node for name in names]
    return {str(field) for node in nodes for field in node if field != "_target_"}


def _having(group: str, field: str) -> list[str]:
    return [name for name in options(group) if field in _fields(group, name)]
