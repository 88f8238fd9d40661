"""Files of checkpoints: written whole, with a digest; read with nothing believed, and no code run."""

from __future__ import annotations

import hashlib
import io
import math
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hsuanwu.common.errors import ConfigurationError, file_named, one_line
from hsuanwu.common.machine import free_memory
from hsuanwu.engine.foreign_files import check_inside
from hsuanwu.engine.run_folder import RunFolder, replaced

FORMAT = 1

_DIGEST = re.compile(r"([0-9a-f]{64})  (checkpoints/[\w.-]+)")
_MOST_BYTES_OF_PICKLE = 1 << 24
_MOST_BYTES_OF_DIGESTS = 1 << 26
_MOST_DEPTH = 10
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "steps": int,
    "updates": int,
    "wall_seconds": (int, float),
    "policy": dict,
    "optimizer_name": str,
    "optimizer": dict,
    "rng": Tensor,
}


class DamagedCheckpointError(ConfigurationError):
    """A file is not the checkpoint that was written; the message is one line that names it."""


def write_checkpoint(folder: RunFolder, name: str, state: Mapping[str, Any], leaving: Collection[Path] = ()) -> Path:
    """Write ``checkpoints/<name>`` and its digest, and return its path; the digests of those ``leaving`` are dropped.

    The file appears under its name only when it is whole. It holds tensors, numbers and strings alone:
    ``torch.load(path, weights_only=True)`` reads it.
    """
    path = folder.checkpoints / name
    path.parent.mkdir(parents=True, exist_ok=True)
    before = []
    with suppress(OSError):  # what cannot be read need not stay right
        if name in recorded_digests(folder) and path.exists():
            before = [_digest(path.read_bytes())]
    # in memory first: torch has other words for a disk that is full
    content = io.BytesIO()
    torch.save({"format": FORMAT, **state}, content)
    new = _digest(content.getbuffer())
    with replaced(path) as partial:
        partial.write_bytes(content.getbuffer())
        _record(folder, name, [*before, new], leaving)  # both, for as long as either file may have the name
    if before and before != [new]:
        _record(folder, name, [new])
    return path


def read_checkpoint(folder: RunFolder, name: str) -> dict[str, Any]:
    """Return what ``checkpoints/<name>`` holds, on the CPU.

    No code of the file's runs, and it takes no more memory than twice its size, which must be free.

    Raises:
        DamagedCheckpointError: if it is not what was written: torn, of another digest, or of other content.
        ConfigurationError: if another version wrote it, or it is a link out of the run folder.
    """
    path = folder.checkpoints / name
    check_inside(folder.path, path)
    try:
        data = _read_archive(path)
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except ConfigurationError:
        raise
    except OSError as error:
        raise DamagedCheckpointError(f"{path}: cannot be read ({error.strerror or one_line(error)})") from error
    except Exception as error:
        raise DamagedCheckpointError(f"{path}: is torn or no checkpoint ({type(error).__name__})") from error
    if isinstance(state, dict) and type(state.get("format")) is int and state["format"] != FORMAT:
        raise ConfigurationError(f"{path}: has format {state['format']}; this version reads {FORMAT}")
    if problem := _wrong_content(state, len(data)):
        raise DamagedCheckpointError(f"{path}: is damaged or no checkpoint ({problem})")
    if (known := recorded_digests(folder).get(name)) and _digest(data) not in known:
        raise DamagedCheckpointError(f"{path}: is damaged (its sha256 is not the one in {folder.digests.name})")
    return state


def recorded_digests(folder: RunFolder) -> dict[str, list[str]]:
    """Return the digests of a run's checkpoints by name: two for one that was being replaced as its run died.

    Names whose files are gone are among them: they tell that there were some.
    """
    found: dict[str, list[str]] = {}
    check_inside(folder.path, folder.digests)
    if not folder.digests.is_file():
        return found
    with file_named(folder.digests), folder.digests.open(encoding="ascii", errors="replace") as file:
        text = file.read(_MOST_BYTES_OF_DIGESTS)
    for line in text.splitlines():
        if match := _DIGEST.fullmatch(line):
            found.setdefault(match[2].partition("/")[2], []).append(match[1])
    return found


def _record(folder: RunFolder, name: str, digests: list[str], leaving: Collection[Path] = ()) -> None:
    """Write the digests of a checkpoint; those of checkpoints that are gone, or are going, are dropped."""
    stay = {path.name for path in folder.checkpoints.glob("*.pt")} - {path.name for path in leaving}
    known = {key: x for key, x in recorded_digests(folder).items() if key in stay}
    lines = [f"{x}  checkpoints/{key}\n" for key, all_ in sorted((known | {name: digests}).items()) for x in all_]
    with replaced(folder.digests) as partial:
        partial.write_text("".join(lines), "ascii")


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _read_archive(path: Path) -> bytes:
    """Return a file's bytes; little is read before it is known for an archive as torch writes it."""
    with path.open("rb") as file:
        size, free = path.stat().st_size, free_memory()
        if free is not None and 2 * size > free:
            raise DamagedCheckpointError(
                f"{path}: cannot be read (it has {size:,} bytes, and {free:,} of memory are free)"
            )
        with zipfile.ZipFile(file) as archive:
            _check_entries(path, archive.infolist(), size)
            if (torn := archive.testzip()) is not None:
                raise DamagedCheckpointError(f"{path}: is damaged (the sum of {torn!r:.80} is wrong)")
        file.seek(0)
        return file.read()


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], size: int) -> None:
    """Check what an archive of ``size`` bytes says of its parts: nothing compressed, nothing larger than it can be."""
    if packed := [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]:
        raise DamagedCheckpointError(f"{path}: is no checkpoint ({packed[0]!r:.80} is compressed)")
    if [x for x in entries if x.filename.endswith(".pkl") and x.file_size > _MOST_BYTES_OF_PICKLE]:
        raise DamagedCheckpointError(f"{path}: is no checkpoint (its index is too large)")
    if sum(entry.file_size for entry in entries) > size:
        raise DamagedCheckpointError(f"{path}: is no checkpoint (its parts are larger than the file)")


def _wrong_content(state: Any, size: int) -> str:
    """Return what is wrong with what a file of ``size`` bytes gave; an empty string for nothing."""
    if not isinstance(state, dict):
        return f"it holds a {type(state).__name__}"
    for key, types in {"format": int, **_TYPES}.items():
        if key not in state:
            return f"{key} is missing"
        if not isinstance(state[key], types) or isinstance(state[key], bool):
            return f"{key} is a {type(state[key]).__name__}"
    for name, tensor in _tensors(state):
        # a view may pretend to any size
        if tensor.layout is not torch.strided or tensor.numel() * tensor.element_size() > size:
            return f"{name} is larger than the file"
    if lost := [key for key in ("steps", "updates", "wall_seconds") if not 0 <= state[key] < math.inf]:
        return f"{lost[0]} is {state[lost[0]]}"
    return _wrong_policy(state["policy"]) or _wrong_optimizer(state["optimizer"]) or _wrong_rng(state["rng"])


def _wrong_policy(policy: dict[Any, Any]) -> str:
    if not all(isinstance(name, str) and isinstance(x, Tensor) for name, x in policy.items()):
        return "policy is no dict of tensors"
    lost = [name for name, x in policy.items() if not bool(x.isfinite().all())]
    return f"policy.{lost[0]} is not finite" if lost else ""


def _wrong_optimizer(optimizer: dict[Any, Any]) -> str:
    state, groups = optimizer.get("state"), optimizer.get("param_groups")
    is_right = isinstance(state, dict) and all(isinstance(x, dict) for x in state.values())
    is_right &= isinstance(groups, list) and all(isinstance(x, dict) and "params" in x for x in groups)
    return "" if is_right else "optimizer is no state of an optimizer"


def _wrong_rng(rng: Tensor) -> str:
    try:
        torch.Generator().set_state(rng)
    except (RuntimeError, TypeError) as error:
        return f"rng is no state of a generator: {one_line(error):.80}"
    return ""


def _tensors(x: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    if isinstance(x, Tensor):
        yield name, x
    elif isinstance(x, (dict, list, tuple)) and depth < _MOST_DEPTH:
        for key, value in x.items() if isinstance(x, dict) else enumerate(x):
            yield from _tensors(value, f"{name}.{key}" if name else str(key), depth + 1)
