"""The spaces of a run, as ``spaces.json`` holds them, and what has become of them since."""

from __future__ import annotations

import json
from typing import Any

from hsuanwu.common.errors import ConfigurationError, one_line, warn_of_run
from hsuanwu.common.spaces import Space
from hsuanwu.engine.config import changes, flat_values
from hsuanwu.engine.foreign_files import read_text
from hsuanwu.engine.run_folder import RunFolder

_MOST_SHOWN = 60


def spaces_text(observation_space: Space, action_space: Space) -> str:
    """Return what ``spaces.json`` holds."""
    spaces = {"observation_space": observation_space.to_dict(), "action_space": action_space.to_dict()}
    return json.dumps(spaces, indent=2)


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
    if changed := changes(before, now, _shown):
        more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
        raise ConfigurationError(
            f"env: its spaces are not those of the run ({'; '.join(changed[:2])}{more}); correct the environment, or "
            f"begin a new run (without {folder.spaces} they are not compared)"
        )


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
