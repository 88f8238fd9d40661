"""The line about an action outside of its space."""

import numpy as np
import pytest
import torch

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.outside import refuse_outside
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete

NAN, INF = np.nan, np.inf
INSIDE = [
    (Discrete(4, start=9), [0, 3]),
    (Discrete(4), [[0.0, 3.0]]),
    (Discrete(2), [True, False]),
    (MultiDiscrete([[2, 5], [1, 300]]), [[[1, 4], [0, 299]]]),
    (MultiBinary((2,)), [[0, 1]]),
    (Box(-1, 1, (2,)), [[-7.0, INF]]),
    (Box(0, 9, (1,), np.uint8), [[300]]),
    (Discrete(4), np.zeros((0,), np.int64)),
    (MultiBinary((2,)), [5]),  # the shape is wrong, which is told elsewhere
    (Dict({"a": Discrete(2)}), [5]),
]


@pytest.mark.parametrize("space, action", INSIDE, ids=str)
def test_what_is_inside_is_not_refused(space, action):
    refuse_outside(space, np.asarray(action))
    refuse_outside(space, torch.as_tensor(action))


OUTSIDE = [
    (Discrete(4), 7, "found 7; use a whole number from 0 to 3"),
    (Discrete(4), [0, -1], "found -1 at [1]; use a whole number from 0 to 3"),
    (Discrete(4), [0, 1.5], "found 1.5 at [1]; use a whole number from 0 to 3"),
    (Discrete(4), [[0, NAN]], "found nan at [0, 1]; use a whole number from 0 to 3"),
    (Discrete(2, start=-3), [2], "found 2 at [0]; use a whole number from 0 to 1 (they count from 0"),
    (MultiDiscrete([[2, 5], [1, 300]]), [[[1, 4], [1, 299]]], "found 1 at [0, 1, 0]; use a whole number from 0 to 0"),
    (MultiDiscrete([2, 200], dtype=np.uint8), [[1, 250]], "found 250 at [0, 1]; use a whole number from 0 to 199"),
    (MultiBinary((2,)), [[0, 2], [3, 0]], "found 2 at [0, 1]; use a whole number from 0 to 1"),
]


@pytest.mark.parametrize("space, action, expected", OUTSIDE, ids=str)
@pytest.mark.parametrize("form", [np.asarray, torch.as_tensor])
def test_the_first_number_outside_is_named_with_its_range(space, action, expected, form):
    with pytest.raises(ConfigurationError) as caught:
        refuse_outside(space, form(action), "x")
    message = str(caught.value)
    assert message.startswith(f"x: {expected}") and "\n" not in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_no_number_is_a_failure_of_the_run(dtype):
    action = torch.tensor([[0.5, 3.0], [1.0, NAN]], dtype=dtype, requires_grad=True)
    with pytest.raises(FloatingPointError, match=r"^action: found nan at \[1, 1\]; use a number$"):
        refuse_outside(Box(-1, 1, (2,)), action)
