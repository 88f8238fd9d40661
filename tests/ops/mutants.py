"""Runs altered copies of ``hsuanwu.ops`` against checks, to prove that the checks see every alteration."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple
from unittest import mock

import hsuanwu.ops

MODULES = ("rows", "returns", "vtrace", "losses")  # each may import those before it
Check = Callable[[SimpleNamespace], None]


class Mutant(NamedTuple):
    """One alteration: in ``module``, the text ``before``, which occurs exactly once, becomes ``after``."""

    name: str
    module: str
    before: str
    after: str


def source(module: str) -> str:
    """Return the source text of a module of ``hsuanwu.ops``."""
    return (Path(hsuanwu.ops.__path__[0]) / f"{module}.py").read_text(encoding="utf-8")


def load(mutant: Mutant | None = None) -> SimpleNamespace:
    """Execute fresh copies of the modules, altered by ``mutant``; return all their functions in one namespace."""
    copies: dict[str, ModuleType] = {}
    with mock.patch.dict(sys.modules):
        for name in MODULES:
            text = source(name)
            if mutant is not None and mutant.module == name:
                assert text.count(mutant.before) == 1, f"{mutant.name}: found {text.count(mutant.before)} times"
                text = text.replace(mutant.before, mutant.after)
            full_name = f"hsuanwu.ops.{name}"
            copy = ModuleType(full_name)
            sys.modules[full_name] = copies[name] = copy
            exec(compile(text, f"<{name}, altered>", "exec"), copy.__dict__)
    return SimpleNamespace(
        **{k: v for copy in copies.values() for k, v in vars(copy).items() if not k.startswith("__")}
    )


def catching_checks(mutant: Mutant, checks: Iterable[Check]) -> list[str]:
    """Return the names of the checks that fail on ``mutant``."""
    ops = load(mutant)
    caught = []
    for check in checks:
        try:
            check(ops)
        except NameError:  # the alteration is nonsense, not a fault that somebody might make
            raise
        except Exception:
            caught.append(check.__name__)
    return caught
