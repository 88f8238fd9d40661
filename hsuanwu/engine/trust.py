"""Whose run folder it is, and what its configuration may have imported and called.

A run signs its ``config.yaml`` with a key of the user's. What is not signed with it came from elsewhere: it may
name what the registry knows, and nothing more, unless the user says so.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import importlib.resources
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import KINDS, options
from hsuanwu.engine.config import target_path
from hsuanwu.engine.foreign_files import check_inside
from hsuanwu.engine.run_folder import RunFolder, replaced

_KEY_BYTES = 32
_MOST_SHOWN = 3


def sign(folder: RunFolder) -> None:
    """Write the signature of a run's configuration; without a place for a key (no home), there is none."""
    key = _key(make=True)
    if key is not None:
        with replaced(folder.signature) as partial:
            partial.write_text(_signature(key, folder) + "\n", "ascii")


def is_own(folder: RunFolder) -> bool:
    """Return whether a run of this user's wrote the configuration of a folder, as it is now."""
    key = _key(make=False)
    for path in (folder.signature, folder.config):
        check_inside(folder.path.absolute(), path)
        if key is None or not path.is_file():
            return False
    with folder.signature.open("rb") as file:
        found = file.read(200).strip()
    return key is not None and hmac.compare_digest(found, _signature(key, folder).encode("ascii"))


def check_trusted(folder: RunFolder, cfgs: DictConfig, key: str) -> None:
    """Check that the saved configuration of a folder names nothing beyond the registry, or that it is the user's own.

    Args:
        folder: of the run.
        cfgs: what its ``config.yaml`` holds.
        key: what named the folder, for the message.

    Raises:
        ConfigurationError: if it asks for more; the line names what it asks for.
    """
    demands = list(_demands(cfgs))
    if not demands or is_own(folder):
        return
    more = f" and {len(demands) - _MOST_SHOWN} more" if len(demands) > _MOST_SHOWN else ""
    shown = ", ".join(demands[:_MOST_SHOWN]) + more
    raise ConfigurationError(
        f"{key}: {folder.path} was not made by you on this machine, and asks to run code: {shown}; look at its "
        f"{folder.config.name}, and add --trust if you would run it"
    )


def _demands(cfgs: DictConfig) -> Iterator[str]:
    """Yield what a configuration names that the registry does not, ``"env.id=my_module:MyEnv-v0"`` say."""
    for kind, section in _plain(cfgs).items():
        if not isinstance(section, dict):
            yield from _hydra_keys(section, kind)
            continue
        classes = {target_path(cls): cls for cls in options(kind).values()} if kind in KINDS else {}
        target = str(section.get("_target_"))
        if "_target_" in section and target not in classes:
            yield f"{kind}._target_={target}"
        for name, value in section.items():
            if name != "_target_":
                yield from _hydra_keys({name: value}, kind)
        if kind == "env":
            yield from _code(section, getattr(classes.get(target), "code_keys", ()))


def _hydra_keys(x: Any, place: str) -> Iterator[str]:
    """Yield the keys of a nest that Hydra would act on."""
    if isinstance(x, dict):
        for key, value in x.items():
            if isinstance(key, str) and key.startswith("_") and key.endswith("_"):
                yield f"{place}.{key}={value}"[:100]
            yield from _hydra_keys(value, f"{place}.{key}")
    elif isinstance(x, list):
        for index, value in enumerate(x):
            yield from _hydra_keys(value, f"{place}[{index}]")


def _code(section: Mapping[Any, Any], code_keys: tuple[str, ...]) -> Iterator[str]:
    """Yield what an environment's arguments name, as paths of code or ``module:name``, that no preset of ours names."""
    offered = _offered()
    for name, value in section.items():
        is_code = name in code_keys
        entries = value if isinstance(value, list) else [value]
        # a wrapper's arguments are data, as those of an environment are
        paths = [x.get("path") if isinstance(x, dict) else x for x in entries] if is_code else []
        for text in [*_texts(paths), *(x for x in _texts(value) if ":" in x)]:
            if text not in offered:
                yield f"env.{name}={text}"[:100]


def _texts(x: Any) -> Iterator[str]:
    """Yield the strings of a nest, those of keys too."""
    if isinstance(x, str):
        yield x
    elif isinstance(x, dict):
        for key, value in x.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(x, list):
        for value in x:
            yield from _texts(value)


@functools.cache
def _offered() -> frozenset[str]:
    """Return every string in the environments' presets that come with this package."""
    folder = importlib.resources.files("hsuanwu.cfgs") / "env"
    found: set[str] = set()
    for file in folder.iterdir():
        if file.name.endswith(".yaml"):
            found |= set(_texts(_plain(OmegaConf.create(file.read_text("utf-8")))))
    return frozenset(found)


def _plain(cfgs: Any) -> dict[Any, Any]:
    plain = OmegaConf.to_container(cfgs, resolve=False)
    return plain if isinstance(plain, dict) else {}


def _signature(key: bytes, folder: RunFolder) -> str:
    return hmac.new(key, folder.config.read_bytes(), hashlib.sha256).hexdigest()


def _key(make: bool) -> bytes | None:
    """Return the user's key; None where there is none, or no place for one."""
    with suppress(OSError, RuntimeError, ValueError):
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        path = Path(home) / "hsuanwu" / "key"
        if make and not path.exists():
            _make_key(path)
        key = bytes.fromhex(path.read_text("ascii").strip())
        return key if len(key) == _KEY_BYTES else None
    return None


def _make_key(path: Path) -> None:
    """Write a new key that nobody else can read; of two processes that do so at once, the first one's stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"key.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
