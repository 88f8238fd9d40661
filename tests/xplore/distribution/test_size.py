"""Sizes are looked at before memory is asked for."""

import numpy as np
import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.registry import options
from hsuanwu.common.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.xplore.distribution import default_distribution

MOST = 2**20
HUGE = [
    (Discrete(10**9), "1,000,000,000 outputs, 4.0 GB"),
    (Discrete(2**62), "outputs"),
    (Discrete(MOST + 1), "1,048,577 outputs, 0.0 GB"),
    (MultiDiscrete([10**9, 2]), "2,000,000,000 outputs"),
    (MultiDiscrete([2**62] * 4), "outputs"),  # whose sum is 0 in int64
    (MultiDiscrete([10**6] * 100), "100,000,000 outputs"),
    (MultiDiscrete([10**6] + [2] * 2000), "2,001,000,000 outputs"),  # in the table, not in the sum
    (MultiBinary((MOST + 1,)), "1,048,577 outputs"),
    (Box(-1, 1, (MOST // 2 + 1,)), "1,048,578 outputs"),
]


@pytest.mark.parametrize("space, size", HUGE, ids=lambda x: str(x)[:40])
def test_what_memory_cannot_hold_is_refused_in_one_line(space, size):
    with pytest.raises(ConfigurationError) as caught:
        default_distribution(space)
    message = str(caught.value)
    assert message.startswith("distribution: actions of ") and size in message and "use at most 1,048,576" in message
    assert "\n" not in message and len(message) < 400


@pytest.mark.parametrize(
    "space, count",
    [
        (Discrete(MOST), MOST),
        (MultiDiscrete([MOST // 2, MOST // 2]), MOST),
        (MultiBinary((MOST,)), MOST),
        (Box(-1, 1, (MOST // 2,)), MOST),
    ],
    ids=lambda x: str(x)[:40],
)
def test_the_largest(space, count):
    assert default_distribution(space).num_params == count


def test_both_families_of_a_box_look():
    space = Box(np.float32(0), 1, (MOST,))
    for name in ("diagonal_gaussian", "squashed_gaussian"):
        with pytest.raises(ConfigurationError, match="2,097,152 outputs"):
            options("distribution")[name](space)
