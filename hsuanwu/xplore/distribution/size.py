"""Sizes of distributions, looked at before memory is asked for."""

from __future__ import annotations

import textwrap

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Space

_MOST = 2**20
"""Parameters of one distribution. Those of one batch of 20 rows of 32 environments fill 2.7 GB in float32, and the
gradient, the softmax and its logarithm as much each."""

_BYTES = 4


def checked_size(count: int, space: Space) -> int:
    """Return ``count``, the number of parameters that describe one distribution, if it is one that memory can hold.

    Args:
        count: a whole number of any size.
        space: the actions, for the error.

    Raises:
        ConfigurationError: if there are more than 1,048,576.
    """
    if count > _MOST:
        raise ConfigurationError(
            f"distribution: actions of {textwrap.shorten(str(space), 80)} take a layer with {count:,} outputs, "
            f"{_BYTES * count / 1e9:,.1f} GB for each of its inputs; use at most {_MOST:,}: fewer actions, or several "
            "small choices for a large one (a MultiDiscrete of 1,000 and 1,000 is a million actions by 2,000 outputs)"
        )
    return count
