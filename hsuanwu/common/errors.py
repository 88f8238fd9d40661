"""The one error that means: the user can mend this."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ConfigurationError(ValueError):
    """A mistake in what the user asked for.

    The message is one line that names the key, says what was found and what would be right. The
    command line prints it as ``error: ...`` and exits with status 2.
    """


def nearest(name: str, names: Iterable[str]) -> str:
    """Return ``"did you mean 'x'? "`` for the closest of ``names``; an empty string if none is close.

    Example:
        >>> nearest("pnog", ["pong", "breakout"])
        "did you mean 'pong'? "
    """
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]!r}? " if close else ""
