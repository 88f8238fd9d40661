import numpy as np
import pytest
import torch

from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hsuanwu.env.fault import WrongAnswer
from hsuanwu.env.observation import empty_batch, observation_reader, row_views

SPACE = Dict({"a": Discrete(4, start=2), "b": Dict({"c": Box(0, 255, (2, 3), np.uint8), "d": Box(-1, 1, ())})})


def write(space, observation, num_envs=2):
    """Write into the second row of a batch; return the batch."""
    batch, reader = empty_batch(space, num_envs), observation_reader(space)
    reader.write(row_views(batch)[1], observation)
    reader.check_finite(batch)
    return batch


def test_rows_take_observations():
    batch, reader = empty_batch(SPACE, 3), observation_reader(SPACE)
    for i, row in enumerate(row_views(batch)):
        number = [0.5, np.float64(1), np.array(2)][i]
        reader.write(row, {"b": {"c": np.full((2, 3), i), "d": number}, "a": i + 2})
    assert batch["a"].tolist() == [0, 1, 2]
    assert batch["b"]["d"].tolist() == [0.5, 1, 2]
    assert batch["b"]["c"].dtype == np.uint8
    assert (batch["b"]["c"] == np.arange(3)[:, None, None]).all()


SPARE = [{"e": 9}, {"e": None, "f": 1}, {0: 1}]


@pytest.mark.parametrize("spare", SPARE)
@pytest.mark.parametrize("within", [True, False])
def test_entries_that_the_space_does_not_have_are_refused(spare, within):
    """The learner would never see them."""
    inner = {"c": np.zeros((2, 3), np.uint8), "d": 0.5}
    observation = {"a": 2, "b": inner | spare} if within else {"a": 2, "b": inner} | spare
    with pytest.raises(WrongAnswer, match=r"the space has \[.*\], but an observation is \[.*" + str(list(spare)[-1])):
        write(SPACE, observation)
    rows = {"a": [2] * 3, "b": {"c": np.zeros((3, 2, 3), np.uint8), "d": np.zeros(3)} | (spare if within else {})}
    with pytest.raises(WrongAnswer, match="the space has"):
        observation_reader(SPACE).read(rows if within else rows | spare, 3)


FITTING = [
    (Box(-1, 1, (2,)), [0.5, 1]),
    (Box(-1, 1, (2,)), torch.tensor([0.5, 1.0])),
    (Box(-1, 1, (2,)), np.array([0.5, 1.0], np.float64)),
    (Box(-9, 9, (2,)), np.array([True, False])),
    (Box(-9, 9, (2,)), np.array([5, -3], np.int8)),
    (Box(0, 255, (2,), np.uint8), np.array([255, 0], np.int64)),
    (Box(0, 1, (2,), np.bool_), np.array([1, 0])),
    (Box(-9, 9, (2,), np.float64), np.array([1e-30, 2.0], np.float32)),
    (Discrete(3), np.uint8(2)),
    (Discrete(3), np.array(2)),
    (Discrete(3, dtype=np.int32), 2),
    (MultiDiscrete([2, 3]), (1, 2)),
    (MultiBinary((2,)), np.array([True, False])),
]


@pytest.mark.parametrize(("space", "observation"), FITTING)
def test_what_a_dtype_can_hold_is_taken(space, observation):
    batch = write(space, observation)
    assert batch.dtype == space.dtype
    np.testing.assert_array_equal(batch[1], np.asarray(observation))
    native = observation_reader(space).read([observation] * 3, 3)
    assert native.dtype == space.dtype
    np.testing.assert_array_equal(native[2], np.asarray(observation))


WRONG = [
    (Box(-1, 1, (2,)), None, "an observation is None"),
    (Box(-1, 1, (2,)), 0.5, r"the space says shape \(2,\), but an observation has \(\)"),
    (Box(-1, 1, (2,)), np.zeros(1, np.float32), r"shape \(2,\), but an observation has \(1,\)"),
    (Box(-1, 1, (2,)), np.zeros((1, 2), np.float32), r"but an observation has \(1, 2\)"),
    (Box(-1, 1, (2,)), [0.5, [1, 2]], "an observation is no array: list"),
    (Box(-1, 1, (2,)), "north", "the space says float32, but an observation has <U5: .*north"),
    (Box(-1, 1, (2,)), np.array([1j, 0]), "the space says float32, but an observation has complex128"),
    (Box(-1, 1, (2,)), np.array([None, 1.0]), "the space says float32, but an observation has object"),
    (Box(-1, 1, (2,)), {"x": 1}, "the space says float32, but an observation has object"),
    (Box(-1, 1, (2,)), np.array(["a", "b"], "S1"), "an observation has [|]S1"),
    (Box(-1, 1, (2,)), np.array(["2020", "2021"], "datetime64[Y]"), "an observation has datetime64"),
    (Box(-1, 1, (2,)), [np.nan, 0], r"an observation is nan at \[0\]"),
    (Box(-1, 1, (2,)), np.array([0, -np.inf], np.float32), r"an observation is -inf at \[1\]"),
    (Box(-1, 1, (2,)), np.array([0, 1e39]), r"the space says float32, but an observation has float64 with 1e\+39"),
    (
        Box(-1, 1, (2,), np.float16),
        np.array([0, -1e5], np.float32),
        "the space says float16, .* with -100000.0",
    ),
    (Box(0, 255, (2,), np.uint8), np.array([0, 256]), "the space says uint8, but an observation has int64 with 256"),
    (Box(0, 255, (2,), np.uint8), np.array([-1, 0], np.int8), "an observation has int8 with -1"),
    (Box(0, 255, (2,), np.uint8), np.array([0.5, 1]), "the space says uint8, but an observation has float64: .*0.5"),
    (Box(0, 9, (2,), np.int64), np.array([0, 2**63], np.uint64), "an observation has uint64 with 9223372036854775808"),
    (Box(0, 9, (2,), np.int64), [0, 2**64], "an observation has object"),
    (Box(0, 1, (2,), np.bool_), np.array([0, 2]), "the space says bool, but an observation has int64 with 2"),
    (Discrete(4), 4, "4 is not one of 0 to 3"),
    (Discrete(4), -1, "-1 is not one of 0 to 3"),
    (Discrete(4, start=5), 4, "4 is not one of 5 to 8"),
    (Discrete(4), np.int64(4), "4 is not one of 0 to 3"),
    (Discrete(4), 1.0, "the space says int64, but an observation has float64"),
    (Discrete(4), 10**30, "an observation has object|is not one of 0 to 3"),
    (Discrete(4), np.zeros(1, np.int64), r"the space says shape \(\), but an observation has \(1,\)"),
    (MultiDiscrete([2, 3]), [1, 3], r"3 at \[1\] is not one of 0 to 2"),
    (MultiDiscrete([2, 3], start=[-1, 1]), [-2, 1], r"-2 at \[0\] is not one of -1 to 0"),
    (MultiBinary((3,)), [10, 0, 1], r"10 at \[0\] is not one of 0 to 1"),
    (MultiBinary((3,)), np.array([0.0, 0, 1]), "the space says int8, but an observation has float64"),
    (Dict({"x": Box(-1, 1, (2,))}), {"y": 1}, r"the space has \['x'\], but an observation is \['y'\]"),
    (Dict({"x": Box(-1, 1, (2,))}), None, "an observation is None"),
    (Dict({"x": Box(-1, 1, (2,))}), np.zeros(2), r"the space has \['x'\], but an observation is an array"),
    (Dict({"x": Box(-1, 1, (2,))}), {"x": None}, r"^observation_space\.x: an observation is None"),
    (Dict({"x": Dict({"y": Discrete(2)})}), {"x": {"y": 2}}, r"^observation_space\.x\.y: 2 is not one of 0 to 1"),
]


@pytest.mark.parametrize(("space", "observation", "message"), WRONG)
def test_what_a_space_does_not_allow_is_refused(space, observation, message):
    with pytest.raises(WrongAnswer, match=message) as caught:
        write(space, observation)
    assert str(caught.value).startswith("observation_space") and "\n" not in str(caught.value)


NATIVE = [case for case in WRONG if isinstance(case[1], np.ndarray) and not isinstance(case[0], Dict)]


@pytest.mark.parametrize(("space", "observation", "message"), NATIVE)
def test_native_batches_are_checked_likewise(space, observation, message):
    reader = observation_reader(space)
    with pytest.raises(WrongAnswer):
        reader.check_finite(reader.read(np.stack([observation] * 3), 3))


def test_nothing_is_broadcast_over_a_native_batch():
    with pytest.raises(WrongAnswer, match=r"shape \(2,\), so \(3, 2\) in a batch, but observations have \(2,\)"):
        observation_reader(Box(-1, 1, (2,))).read(np.zeros(2, np.float32), 3)


def test_the_row_of_a_wrong_number_is_found():
    reader, batch = observation_reader(Box(-1, 1, (2, 2))), np.zeros((5, 2, 2), np.float32)
    batch[3, 1, 0] = np.inf
    with pytest.raises(WrongAnswer, match=r"inf at \[1, 0\]") as caught:
        reader.check_finite(batch)
    assert caught.value.row == 3
    with pytest.raises(WrongAnswer, match="7 is not one of 0 to 6") as caught:
        observation_reader(Discrete(7)).read(np.array([1, 2, 7]), 3)
    assert caught.value.row == 2


def test_finite_numbers_of_any_size_are_taken():
    for dtype in (np.float16, np.float32, np.float64):
        most = np.finfo(dtype).max
        reader = observation_reader(Box(-most, most, (300,), dtype))
        reader.check_finite(np.full((200, 300), most, dtype))
        reader.check_finite(np.full((200, 300), np.finfo(dtype).smallest_subnormal, dtype))


def test_reader_of_native_batches():
    space = Dict({"a": MultiDiscrete([2, 3], start=[-1, 1]), "b": Box(0, 1, (1,)), "c": Box(0, 1, (), np.float64)})
    read = observation_reader(space).read
    fixed, kept = np.zeros((2, 1), np.float32), np.zeros(2)
    fixed.flags.writeable = False
    found = read({"b": fixed, "a": [[0, 1], [-1, 3]], "c": kept}, 2)
    assert list(found) == ["a", "b", "c"]
    assert found["a"].tolist() == [[1, 0], [0, 2]]
    assert found["b"].flags.writeable
    assert found["c"] is kept


def test_integers_of_the_environment_stay_as_they_are():
    shown = np.array([6, 7])
    assert observation_reader(Discrete(3, start=5)).read(shown, 2).tolist() == [1, 2]
    assert shown.tolist() == [6, 7]


def test_a_flipped_picture_becomes_one_that_a_tensor_can_hold():
    frames = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    read = observation_reader(Box(0, 255, (2, 2, 3), "uint8")).read
    found = read(frames[..., ::-1], 2)
    np.testing.assert_array_equal(torch.as_tensor(found).numpy(), frames[..., ::-1])
    assert read(frames, 2) is frames and np.shares_memory(read(frames.transpose(0, 2, 1, 3), 2), frames)
