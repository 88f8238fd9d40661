import numpy as np
import pytest

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.env.action import action_converter


@pytest.mark.parametrize(
    "space, action, expected",
    [
        (Discrete(3), [0, 2], [0, 2]),
        (Discrete(3, start=-1), [0, 2], [-1, 1]),
        (Discrete(3, start=1, dtype=np.int32), [0, 2], [1, 3]),
        (MultiDiscrete([3, 2], start=[1, -1]), [[0, 0], [2, 1]], [[1, -1], [3, 0]]),
        (MultiDiscrete([3, 2], start=[1, 0]), [[0, 0], [2, 1]], [[1, 0], [3, 1]]),
        (MultiBinary((2,)), [[0, 1], [1, 1]], [[0, 1], [1, 1]]),
        (Box(-1, 1, (2,)), [[-9.0, 0.5], [0.25, 9.0]], [[-1, 0.5], [0.25, 1]]),
        (Box([-1, -np.inf], [1, np.inf], (2,)), [[-9.0, -9.0]], [[-1, -9]]),
        (Box(-1, 1, (1,), np.float64), [[3.0]], [[1]]),
        (Box(0, 4, (1,), np.int32), [[1.6], [9.0], [-3.0]], [[2], [4], [0]]),
    ],
)
def test_conversion(space, action, expected):
    action = np.array(action, np.float32 if isinstance(space, Box) else np.int64)
    kept = action.copy()
    found = action_converter(space)(action)
    assert found.dtype == space.dtype
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(action, kept)
    assert not np.shares_memory(found, action)
    assert all(row in space.to_gymnasium() for row in found)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64])
def test_numbers_of_another_dtype_become_those_of_the_space(dtype):
    found = action_converter(Box(-1, 1, (2,)))(np.array([[-2, 0], [1, np.pi]]).astype(dtype))
    assert found.dtype == np.float32
    assert found.tolist() == [[-1, 0], [1, 1]]


def test_no_number_stays_none():
    assert np.isnan(action_converter(Box(-1, 1, (1,)))(np.float32([[np.nan]]))).all()


def test_dict_is_refused():
    with pytest.raises(ConfigurationError, match="^env action_space: Dict actions are not supported"):
        action_converter(Dict({"a": Discrete(2)}))


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="found"):
        action_converter(Box(-1, 1, (1,)))(np.zeros(3, np.float32))
