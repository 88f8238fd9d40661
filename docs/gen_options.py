"""Write the page of all modules with their keys while the documentation is built, from signatures and docstrings."""

import inspect
import json

import mkdocs_gen_files
from griffe import Docstring, DocstringSectionKind

import hsuanwu.engine.config as config
from hsuanwu.common.registry import KINDS, options

HEAD = """# Options

Every module that `group=option` chooses, and the keys that `group.key=value` sets. A key without a default has to be
given.
"""


def meanings(cls: type) -> dict[str, str]:
    """Return what the docstring of a class says of each parameter, in one line."""
    sections = Docstring(inspect.getdoc(cls) or "").parse("google", warnings=False)
    found = [x for section in sections if section.kind is DocstringSectionKind.parameters for x in section.value]
    return {x.name: " ".join(x.description.split()) for x in found}


def section(kind: str, name: str, cls: type) -> str:
    """Return the section of one option."""
    explained, wiring = meanings(cls), config.wiring_names(cls, kind)
    rows = [
        f"| `{kind}.{p.name}` | {'' if p.default is p.empty else f'`{json.dumps(p.default)}`'} | {explained[p.name]} |"
        for p in inspect.signature(cls).parameters.values()
        if p.name not in wiring
    ]
    head = ["| key | default | meaning |", "|---|---|---|"] if rows else ["No keys."]
    path = config.target_path(cls)
    return "\n".join([f"### {kind}={name}", "", f"[`{path}`][{cls.__module__}.{cls.__name__}]", "", *head, *rows, ""])


with mkdocs_gen_files.open("reference/options.md", "w") as file:
    print(HEAD, file=file)
    for kind in KINDS:
        print(f"## {kind}\n", file=file)
        for name, cls in options(kind).items():
            print(section(kind, name, cls), file=file)
