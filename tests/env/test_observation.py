import numpy as np
import pytest
import torch

from hsuanwu.common.spaces import Box, Dict, Discrete, MultiDiscrete
from hsuanwu.env.observation import batch_reader, empty_batch, row_views, starts

SPACE = Dict({"a": Discrete(4, start=2), "b": Dict({"c": Box(0, 255, (2, 3), np.uint8), "d": Box(-1, 1, ())})})


def test_rows_take_observations():
    batch = empty_batch(SPACE, 3)
    rows = row_views(batch)
    assert len(rows) == 3
    for i, row in enumerate(rows):
        row[()] = {"b": {"c": np.full((2, 3), float(i)), "d": [0.5, np.float64(1), np.array(2)][i], "e": 9}, "a": i}
    assert batch["a"].tolist() == [0, 1, 2]
    assert batch["b"]["d"].tolist() == [0.5, 1, 2]
    assert batch["b"]["c"].dtype == np.uint8
    assert (batch["b"]["c"] == np.arange(3)[:, None, None]).all()


def test_rows_refuse_what_does_not_fit():
    rows = row_views(empty_batch(SPACE, 2))
    with pytest.raises(KeyError, match="b"):
        rows[0][()] = {"a": 1}
    with pytest.raises(ValueError, match=r"from shape \(3,\) into shape \(4,\)"):
        row_views(np.zeros((2, 4)))[0][()] = np.zeros(3)
    with pytest.raises((TypeError, ValueError)):
        row_views(np.zeros(2))[0][()] = np.zeros(3)


def test_starts_are_those_of_integers_away_from_zero():
    batch = empty_batch(SPACE, 2)
    ((array, start),) = starts(SPACE, batch)
    assert array is batch["a"]
    assert start == 2


def test_reader_of_native_batches():
    read = batch_reader(Dict({"a": MultiDiscrete([2, 3], start=[-1, 1]), "b": Box(0, 1, (1,)), "c": Discrete(2)}))
    fixed = np.zeros((2, 1), np.float32)
    fixed.flags.writeable = False
    kept = np.zeros(2, np.int64)
    found = read({"b": fixed, "a": [[0, 1], [-1, 3]], "c": kept})
    assert list(found) == ["a", "b", "c"]
    assert found["a"].tolist() == [[1, 0], [0, 2]]
    assert found["b"].flags.writeable
    assert found["c"] is kept
    assert read({"b": np.zeros((2, 1)), "a": [[0, 1]], "c": kept})["b"].dtype == np.float32


def test_a_flipped_picture_becomes_one_that_a_tensor_can_hold():
    frames = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    read = batch_reader(Box(0, 255, (2, 2, 3), "uint8"))
    found = read(frames[..., ::-1])
    np.testing.assert_array_equal(torch.as_tensor(found).numpy(), frames[..., ::-1])
    assert read(frames) is frames and np.shares_memory(read(frames.transpose(0, 2, 1, 3)), frames)
