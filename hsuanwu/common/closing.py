"""Closing several things of which any may fail to close."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any


def close_all(parts: Iterable[Any]) -> None:
    """Close all parts, the last one first, even if one of them raises; then that is raised."""
    with ExitStack() as stack:
        for part in parts:
            stack.callback(part.close)
