"""Command lines that are wrong for sure, generated from the types that keys and constructors have."""

import random
import types
import typing

from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.config import RUN_KEYS, RunConfig
from hsuanwu.engine.signatures import constructor_parameters, wiring_names

_SCALARS = ["{a: 1}", "[1, 2]", "[[]]", "???", "${nope}", "[1", "{a", "{a: {b: [1, null]}}"]
_WRONG = {
    int: [*_SCALARS, "words", "1.5", "nan", "-inf", "-3", "1e400", "'1 2'", "true1", "-99999999999999999999999"],
    float: [*_SCALARS, "words", "nan", "'1 2'", "1e", "0x", "--1", "true1"],
    bool: [*_SCALARS, "words", "2", "-1", "1.5", "nan", "truee", "'1 2'"],
    str: ["{a: 1}", "[1, 2]", "???", "${nope}", "[1", "{a", "no_such_word", "''"],
    dict: ["words", "1", "[1, 2]", "true", "???", "${nope}", "{a", "1.5"],
    tuple: [
        "words",
        "1",
        "{a: 1}",
        "true",
        "[words]",
        "[-1]",
        "[0]",
        "[1.5]",
        "[[1]]",
        "[null]",
        "???",
        "${nope}",
        "[1",
    ],
}
_ANY_TEXT = {"run_dir", "env.id", "env.factory"}
"""Keys that may be any text: what is wrong with it only a folder, or an import, can say."""

_NEEDED = {
    ("env", "gymnasium"): ["env.id=CartPole-v1"],
    ("env", "dmc"): ["env.domain=cartpole", "env.task=balance"],
    ("env", "dm_env"): ["env.factory=hsuanwu.env.probes.make_counter_dm_env"],
    ("distribution", "diagonal_gaussian"): ["env=gymnasium", "env.id=Pendulum-v1"],
    ("distribution", "squashed_gaussian"): ["env=gymnasium", "env.id=Pendulum-v1"],
}
"""What has to be chosen beside a module for it to be built at all."""


def _kinds_of(hint):
    """Return the plain types that a hint allows."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    return {typing.get_origin(part) or part for part in parts}


def _wrong_values(hint, may_be_any_text):
    kinds = _kinds_of(hint) - {type(None)}
    known = kinds & set(_WRONG)
    if not known or kinds - known:
        return []
    lists = [set(_WRONG[kind]) for kind in known]
    values = set.intersection(*lists)  # what is wrong for each of them
    if types.NoneType not in _kinds_of(hint):
        values.add("null")
    return sorted(values - ({"no_such_word", "''", "words"} if may_be_any_text else set()))


def _keys():
    """Yield each key, what has to be chosen for it to be there, and its type."""
    hints = typing.get_type_hints(RunConfig)
    for key in RUN_KEYS:
        yield key, [], hints[key]
    for kind in KINDS:
        for name, cls in options(kind).items():
            chosen = [f"{kind}={name}", *_NEEDED.get((kind, name), [])]
            for parameter in constructor_parameters(cls).values():
                if parameter.name not in wiring_names(cls, kind):
                    yield f"{kind}.{parameter.name}", chosen, parameter.annotation


def bad_configurations(count, seed):
    """Return pairs of a key, and overrides that set it to what it cannot be, or that name no key at all."""
    chance = random.Random(seed)
    found = [(key, [*chosen, f"{key}={value}"]) for key, chosen, hint in _keys()
             for value in _wrong_values(hint, key in _ANY_TEXT)]  # fmt: skip
    for key, chosen, _ in _keys():
        cut = chance.randrange(1, len(key.rpartition(".")[2]) + 1)
        if (misspelt := key[: len(key) - cut] + "q" + key[len(key) - cut + 1 :]) != key:
            found.append((misspelt, [*chosen, f"{misspelt}=1"]))
    for kind in (*KINDS, "experiment"):
        found += [(kind, [f"{kind}={value}"]) for value in ("no_such", "1", "true", "[1]", "{a: 1}", "1.5", "''")]
    return chance.sample(sorted(found), min(count, len(found)))
