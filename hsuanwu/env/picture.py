"""Pictures of environments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from hsuanwu.common.errors import ConfigurationError, one_line
from hsuanwu.common.protocols import Array


def is_headless() -> bool:
    """Return whether this is a Linux machine without a display."""
    return sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def draw_first(render: Callable[[], Any]) -> Array:
    """Return the first of the pictures that ``render()`` of a vector gives, as ``draw`` does."""

    def first() -> Any:
        pictures = render()
        return pictures[0] if pictures is not None and len(pictures) else None

    return draw(first)


def draw(render: Callable[[], Any]) -> Array:
    """Return the picture that ``render()`` gives, ``[height, width, 3]`` uint8, as an array of its own.

    Floats in [0, 1] become bytes.

    Raises:
        ConfigurationError: if it gives anything else, or needs something that is not installed.

    Example:
        >>> draw(lambda: np.zeros((2, 3, 3), np.uint8)).shape
        (2, 3, 3)
    """
    try:
        picture = render()
    except gymnasium.error.DependencyNotInstalled as error:
        raise ConfigurationError(f"env: cannot draw itself: {one_line(error)}") from error
    if picture is None:
        raise ConfigurationError(
            "env: render() returned None; a picture, [height, width, 3] uint8, was expected. Its render mode has to be "
            "rgb_array: an environment that is given another one, or ignores render_mode, draws nothing"
        )
    array = np.array(picture)
    if np.issubdtype(array.dtype, np.floating) and array.size and array.min() >= 0.0 and array.max() <= 1.0:
        array = np.round(array * 255.0).astype(np.uint8)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise ConfigurationError(
            f"env: a picture is [height, width, 3] uint8, but render() gave {array.shape} {array.dtype}"
        )
    return array
