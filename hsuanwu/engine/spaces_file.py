"""The spaces of a run, as ``spaces.json`` holds them, and what has become of them since."""

from __future__ import annotations

import json
from typing import Any

from hsuanwu.common.errors import ConfigurationError, one_line, warn_of_run
from hsuanwu.common.spaces import Space
from hsuanwu.engine.config import flat_values
from hsuanwu.engine.foreign_files import read_text
from hsuanwu.engine.run_folder import RunFolder

_MOST_SHOWN = 60
_NOT_THERE = "not there"


def spaces_text(observation_space: Space, action_space: Space) -> str:
    """Return what ``spaces.json`` holds."""
    return json.dumps(_as_dict(observation_space, action_space), indent=2)


def check_spaces(folder: RunFolder, observation_space: Space, action_space: Space) -> None:
    """Check that an environment shows and takes what it did when a run was trained.

    Weights fit more than one environment: entries of another order, or bounds by which numbers are scaled, would be
    taken for those that were learned.

    Raises:
        ConfigurationError: if a space is another one.
    """
    if not folder.spaces.exists():
        return
    try:
        before = dict(flat_values(json.loads(read_text(folder.path, folder.spaces))))
    except (ValueError, RecursionError) as error:
        warn_of_run(f"{folder.spaces}: is no JSON ({one_line(error)}); the environment's spaces are not compared")
        return
    now = dict(flat_values(json.loads(spaces_text(observation_space, action_space))))
    changed = [name for name in {**before, **now} if before.get(name, _NOT_THERE) != now.get(name, _NOT_THERE)]
    if changed:
        shown = [f"{name}: {_shown(before, name)}, now {_shown(now, name)}" for name in changed[:2]]
        more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
        raise ConfigurationError(
            f"env: its spaces are not those of the run ({'; '.join(shown)}{more}); correct the environment, or begin a "
            f"new run (without {folder.spaces} they are not compared)"
        )


def _as_dict(observation_space: Space, action_space: Space) -> dict[str, Any]:
    return {"observation_space": observation_space.to_dict(), "action_space": action_space.to_dict()}


def _shown(values: dict[str, Any], name: str) -> str:
    text = str(values.get(name, _NOT_THERE))
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
