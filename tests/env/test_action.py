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


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_no_number_is_refused(dtype):
    with pytest.raises(FloatingPointError, match=r"^action: found nan at \[1, 0\]; use a number$"):
        action_converter(Box(-1, 1, (2,), dtype))(np.float32([[0, 5], [np.nan, 0]]))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64, np.float32, np.bool_])
@pytest.mark.parametrize(
    "space, wrong, right",
    [
        (Discrete(4), 4, 3),
        (Discrete(4), 7, 3),
        (Discrete(4, start=5), 5, 3),
        (Discrete(4), -1, 3),
        (Discrete(200), -1, 199),
        (MultiDiscrete([2, 3]), [1, 3], 2),
        (MultiDiscrete([5, 2]), [4, 2], 1),
        (MultiDiscrete([5, 2]), [4, -2], 1),
        (MultiDiscrete(np.array([5, 2], np.uint8), dtype=np.uint8), [4, 3], 1),
        (MultiBinary((2,)), [0, 2], 1),
        (MultiBinary((2,)), [0, -1], 1),
    ],
    ids=str,
)
def test_an_integer_outside_of_its_range_is_refused(space, wrong, right, dtype):
    action = np.zeros((3, *space.shape)).astype(dtype)
    convert = action_converter(space)
    convert(action)
    if (dtype in (np.uint8, np.uint64) and np.min(wrong) < 0) or dtype == np.bool_:
        return
    action[2] = wrong
    value, place = (wrong[1], [2, 1]) if space.shape else (wrong, [2])
    with pytest.raises(ConfigurationError) as caught:
        convert(action)
    found = f"{float(value)}" if dtype == np.float32 else f"{value}"
    assert str(caught.value).startswith(f"action: found {found} at {place}; use a whole number from 0 to {right}")


def test_fractions_are_refused_and_whole_numbers_of_any_dtype_are_not():
    assert action_converter(Discrete(4, start=1))(np.array([0.0, 3.0])).tolist() == [1, 4]
    with pytest.raises(ConfigurationError, match=r"found 1.5 at \[1\]"):
        action_converter(Discrete(4))(np.array([0.0, 1.5]))


def test_actions_that_are_a_view_are_looked_at_too():
    action = np.arange(12).reshape(6, 2)[::3, 1]
    assert action_converter(Discrete(8))(action).tolist() == [1, 7]
    with pytest.raises(ConfigurationError, match=r"found 7 at \[1\]"):
        action_converter(Discrete(7))(action)


def test_dict_is_refused():
    with pytest.raises(ConfigurationError, match="^env action_space: Dict actions are not supported"):
        action_converter(Dict({"a": Discrete(2)}))


@pytest.mark.parametrize("space, action", [(Box(-1, 1, (1,)), np.zeros(3, np.float32)), (Discrete(4), np.asarray(3))])
def test_wrong_shape_is_refused(space, action):
    with pytest.raises(ValueError, match="have shape .* found"):
        action_converter(space)(action)


@pytest.mark.parametrize("space", [Discrete(4), Box(-1, 1, ()), MultiBinary(()), MultiDiscrete(np.asarray(3))], ids=str)
@pytest.mark.parametrize("action", [[None, None], ["left", "right"], [1j, 0]], ids=str)
def test_what_is_no_number_is_refused(space, action):
    with pytest.raises(ConfigurationError, match="^action: found .*; use numbers, such as"):
        action_converter(space)(action)
