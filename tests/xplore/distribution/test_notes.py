"""What is said of actions before the first step."""

import numpy as np
import pytest

from hsuanwu.common.spaces import Box, Discrete
from hsuanwu.xplore.distribution import DiagonalGaussian, SquashedGaussian, default_distribution
from hsuanwu.xplore.distribution.notes import action_notes

INF = np.inf
FAR = Box([0, -1, 100], [1, 1, 200], (3,))


@pytest.mark.parametrize(
    "distribution",
    [
        default_distribution(Discrete(4)),
        *[default_distribution(x) for x in (FAR, Box(-1e-3, 1e-3, (2,)), Box(-200, 200, ()), Box(2, 2, (1,)))],
        SquashedGaussian(FAR),
        *[DiagonalGaussian(Box(-high, high, (2,)), units="environment") for high in (0.2, 1, 2, 9)],
        DiagonalGaussian(Box(-60, 60, (2,)), init_log_std=2.0, units="environment"),
        DiagonalGaussian(Box(1e5, 1e5 + 100, (2,))),
    ],
    ids=lambda x: f"{type(x).__name__} {x.action_space.to_dict()['range']}",
)
def test_nothing_is_said_where_nothing_is_wrong(distribution):
    assert action_notes(distribution) == []


CASES = {
    "no bounds": (
        DiagonalGaussian(Box(-INF, INF, (3,))),
        "3 of 3 numbers (number 0 is from -inf to inf) are not bounded",
        "a mean near 0 and a standard deviation of 1 in the environment's own units",
        "declare bounds, or scale",
    ),
    "one bound": (
        DiagonalGaussian(Box([-1, 50], [1, INF], (2,)), init_log_std=-1.0),
        "1 of 2 numbers (number 1 is from 50 to inf)",
        "a mean near 50 and a standard deviation of 0.367879",
    ),
    "bounds that are none": (DiagonalGaussian(Box(-3e38, 3e38, (1,))), "1 of 1 numbers", "not bounded"),
    "enormous": (
        DiagonalGaussian(Box([-1, -1e6], [1, 1e6], (2,))),
        "1 of 2 numbers (number 1 is from -1e+06 to 1e+06) are enormous",
        "declare narrower bounds",
    ),
    "enormous, squashed": (SquashedGaussian(Box(-1e20, 1e20, (2,))), "2 of 2 numbers", "enormous"),
    "few": (
        DiagonalGaussian(Box(1e6, 1e6 + 10, (2,))),
        "float32 can hold fewer than 1,000 values between the bounds of 2 of 2 numbers",
    ),
    "few, squashed": (SquashedGaussian(Box(0.5, 0.6, (2,), np.float16)), "float16 can hold fewer than 1,000"),
    "far in the environment's units": (
        DiagonalGaussian(FAR, units="environment"),
        "1 of 3 numbers (number 2 is from 100 to 200)",
        "use distribution.units=bounds",
    ),
    "narrow in the environment's units": (
        DiagonalGaussian(Box(-1e-3, 1e-3, (2,)), units="environment"),
        "2 of 2 numbers",
        "units=bounds",
    ),
    "beyond the first actions in the environment's units": (
        DiagonalGaussian(Box(5, 8, (2,)), units="environment"),
        "units=bounds",
    ),
    "enormous in the environment's units": (
        DiagonalGaussian(Box(-1e6, 1e6, (2,)), units="environment"),
        "units=bounds",
    ),
    "wide in the environment's units": (DiagonalGaussian(Box(-200, 200, (2,)), units="environment"), "units=bounds"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_likely_to_fail_is_said_in_one_line(case):
    distribution, *words = CASES[case]
    (note,) = action_notes(distribution)
    assert note.startswith("actions: ") and "\n" not in note
    for word in words:
        assert word in note, note


def test_several_things_are_several_lines():
    notes = action_notes(DiagonalGaussian(Box([-INF, -1e6, 1e6], [INF, 1e6, 1e6 + 1], (3,))))
    assert [word in note for word, note in zip(("not bounded", "enormous", "fewer"), notes, strict=True)] == [True] * 3
