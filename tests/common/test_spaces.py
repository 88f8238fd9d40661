"""Spaces go through the dict form, OmegaConf and YAML unchanged; what is no space is refused in one line."""

import inspect
from collections import OrderedDict
from enum import Enum

import dm_env.specs
import gymnasium
import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st
from omegaconf import OmegaConf

from hsuanwu.common.errors import ConfigurationError
from hsuanwu.common.slab import TensorSpec
from hsuanwu.common.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, as_space

spaces = gymnasium.spaces
INF = np.inf
INTEGERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
FLOATS = (np.float16, np.float32, np.float64)


def box(low, high, dtype=np.float32):
    return spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


def widest(dtype):
    info = np.iinfo(dtype)
    return box([info.min, 0, info.max], [info.min, 1, info.max], dtype)


ROUND_TRIPS = [
    *[spaces.Box(0, 1, (2, 3), dtype) for dtype in (*INTEGERS, *FLOATS)],
    *[widest(dtype) for dtype in INTEGERS],
    *[spaces.Box(-INF, INF, (3,), dtype) for dtype in FLOATS],
    box([False, True], [True, True], np.bool_),
    box([-INF, 0.1, -1e-30], [0.3, INF, 1e30]),
    box([[-INF, -INF], [-2.5, 0]], [[INF, 1], [1, INF]], np.float64),
    box(-1.5, 2.5),
    box(0, 255, np.uint8),
    spaces.Box(-1, 1, (0, 3)),
    spaces.Box(0, 255, (4, 84, 84), np.uint8),
    spaces.Discrete(1),
    spaces.Discrete(7),
    spaces.Discrete(3, start=-5),
    spaces.MultiDiscrete([2, 3, 4]),
    spaces.MultiDiscrete([[2, 3], [4, 5]], start=[[1, 0], [-3, 2]]),
    spaces.MultiDiscrete([2, 3], dtype=np.int32),
    spaces.MultiBinary(3),
    spaces.MultiBinary((3,)),
    spaces.MultiBinary([2, 3]),
    spaces.Dict({"b": spaces.Box(-1, 1, (2,)), "a": spaces.Discrete(3, start=1)}),
    spaces.Dict(
        {"type": spaces.Dict({"x.y/z": spaces.MultiBinary(2), "spaces": box([0, -INF], [1, INF])}), "shape": box(0, 1)}
    ),
]


def through_mapping(form):
    return form


def through_omegaconf(form):
    cfg = OmegaConf.create(form)
    OmegaConf.set_struct(cfg, True)
    return cfg


def through_yaml(form):
    return OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(form)))


WAYS = [through_mapping, through_omegaconf, through_yaml]


def assert_same(found, expected):
    """Assert that two gymnasium spaces are equal, down to the last bit of their bounds."""
    assert found == expected
    if isinstance(expected, spaces.Dict):
        assert found.spaces.keys() == expected.spaces.keys()
        for name, entry in expected.spaces.items():
            assert_same(found[name], entry)
        return
    assert found.dtype == expected.dtype and found.shape == expected.shape
    if isinstance(expected, spaces.Box):
        np.testing.assert_array_equal(found.low, expected.low, strict=True)
        np.testing.assert_array_equal(found.high, expected.high, strict=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("space", ROUND_TRIPS, ids=str)
def test_gymnasium_to_dict_to_gymnasium_is_the_identity(space, way):
    ours = as_space(space)
    assert_same(ours.to_gymnasium(), space)
    again = as_space(way(ours.to_dict()))
    assert_same(again.to_gymnasium(), space)
    assert again == ours and hash(again) == hash(ours) and as_space(ours) is ours
    assert again.to_dict() == ours.to_dict()


def test_discrete_dtypes():
    if "dtype" not in inspect.signature(spaces.Discrete).parameters:
        pytest.skip("this gymnasium has Discrete spaces of int64 only")
    space = spaces.Discrete(3, dtype=np.uint8)
    assert_same(as_space(through_yaml(as_space(space).to_dict())).to_gymnasium(), space)


@st.composite
def boxes(draw):
    dtype = np.dtype(draw(st.sampled_from([*INTEGERS, *FLOATS, np.bool_])))
    shape = draw(np_st.array_shapes(min_dims=0, max_dims=3, max_side=3))
    kwargs = {"allow_nan": False} if dtype.kind == "f" else {}
    elements = np_st.from_dtype(dtype, **kwargs)
    bounds = [draw(np_st.arrays(dtype, shape, elements=elements)) for _ in range(2)]
    return Box(np.minimum(*bounds), np.maximum(*bounds), shape, dtype)


@st.composite
def multi_discretes(draw):
    shape = draw(np_st.array_shapes(max_dims=3, max_side=3))
    nvec = draw(np_st.arrays(np.int64, shape, elements=st.integers(1, 9)))
    return MultiDiscrete(nvec, draw(np_st.arrays(np.int64, shape, elements=st.integers(-9, 9))))


ANY_SPACE = st.recursive(
    boxes()
    | multi_discretes()
    | st.builds(Discrete, st.integers(1, 9), st.integers(-9, 9))
    | st.builds(MultiBinary, np_st.array_shapes(max_dims=3, max_side=3), st.booleans()),
    lambda entries: st.builds(Dict, st.dictionaries(st.sampled_from("ab/.~ "), entries, min_size=1)),
    max_leaves=4,
)


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(space=ANY_SPACE, way=st.sampled_from(WAYS))
def test_any_space_goes_through_its_dict_form(space, way):
    again = as_space(way(space.to_dict()))
    assert again == space and hash(again) == hash(space)
    assert repr(again.to_dict()) == repr(space.to_dict())
    assert again.tensor_spec() == space.tensor_spec()


def test_the_dict_form_is_plain():
    form = as_space(spaces.Box(np.array([-1.0, -2.0], np.float32), np.array([1.0, 2.0], np.float32))).to_dict()
    assert form == {
        "shape": (2,),
        "type": "Box",
        "range": [-1.0, 1.0],
        "dtype": "float32",
        "low": [-1.0, -2.0],
        "high": [1.0, 2.0],
    }
    assert type(form["low"][0]) is float
    form = as_space(spaces.Discrete(3, start=2)).to_dict()
    assert form == {"shape": (3,), "type": "Discrete", "range": [2, 4], "dtype": "int64"}
    form = as_space(spaces.Box(0, 255, (4, 84, 84), np.uint8)).to_dict()
    assert (form["low"], form["high"]) == (0, 255)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "short, space",
    [
        ({"shape": (4, 84, 84)}, Box(0, 255, (4, 84, 84), np.uint8)),
        ({"shape": (4,)}, Box(-INF, INF, (4,))),
        ({"shape": 4}, Box(-INF, INF, (4,))),
        ({"shape": [2, 3]}, Box(-INF, INF, (2, 3))),
        ({"shape": ()}, Box(-INF, INF, ())),
        ({"shape": (4, 8, 8), "dtype": "float32"}, Box(-INF, INF, (4, 8, 8))),
        ({"shape": (4,), "dtype": "uint8"}, Box(0, 255, (4,), np.uint8)),
        ({"shape": (2,), "type": "Discrete", "range": [0, 1]}, Discrete(2)),
        ({"shape": (2,), "type": "Discrete"}, Discrete(2)),
        ({"shape": (3,), "type": "Discrete", "range": [5, 7]}, Discrete(3, start=5)),
        ({"shape": (2,), "type": "Box", "range": [-1, 1]}, Box(-1, 1, (2,))),
        ({"shape": (2,), "type": "Box", "range": [-1.5, 2.5]}, Box(-1.5, 2.5, (2,))),
        ({"shape": (3, 2, 2), "type": "Box", "range": [-1, 1]}, Box(-1, 1, (3, 2, 2))),
        ({"shape": (2, 3), "type": "Box", "range": [[-1, -2, -3], [1, 2, 3]]}, Box([-1, -2, -3], [1, 2, 3], (2, 3))),
        ({"shape": (2,), "low": [0, -1], "high": 3}, Box([0, -1], 3, (2,))),
        ({"type": "MultiDiscrete", "nvec": [2, 3]}, MultiDiscrete([2, 3])),
        ({"type": "MultiBinary", "shape": (3,)}, MultiBinary((3,))),
        ({"type": "Dict", "spaces": {"a": {"shape": (3,)}}}, Dict({"a": Box(-INF, INF, (3,))})),
    ],
    ids=str,
)
def test_short_forms(short, space, way):
    assert as_space(way(short)) == space


def test_numpy_numbers_are_numbers():
    n, low, high = np.int64(2), np.float32(-1), np.array([1.0, 1.0])
    assert as_space({"shape": (n,), "type": "Discrete", "range": [np.int32(0), n - 1]}) == Discrete(2)
    assert as_space({"shape": n, "type": "Box", "range": [low, high]}) == Box(-1, 1, (2,))


def test_mappings_within_mappings():
    rgb, arm = dm_env.specs.BoundedArray((8, 8, 3), np.uint8, 0, 255), dm_env.specs.Array((2,), np.float64)
    inner = Dict({"rgb": Box(0, 255, (8, 8, 3), np.uint8)})
    expected = Dict({"camera": inner, "arm": Box(-INF, INF, (2,))})
    assert as_space({"camera": {"rgb": rgb}, "arm": arm}) == expected
    assert as_space(OrderedDict(camera=OrderedDict(rgb=rgb), arm={"shape": (2,)})) == expected
    flat = Box(-INF, INF, (2,))
    assert as_space({"a": {"type": arm, "shape": arm}}) == Dict({"a": Dict({"type": flat, "shape": flat})})


def test_the_name_of_an_enumeration_is_its_value():
    class Sense(str, Enum):
        TOUCH = "touch"

    space = as_space({Sense.TOUCH: Discrete(2)})
    assert space == Dict({"touch": Discrete(2)}) and type(next(iter(space.spaces))) is str


def test_bytes_of_another_order_are_the_same_numbers():
    space = as_space(spaces.Box(0, 100, (3,), np.dtype(">i4")))
    assert space == Box(0, 100, (3,), np.int32) and space.tensor_spec() == TensorSpec((3,), torch.int32)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Box(-100, 50, (3,), np.int8), 100),
        (Box([-3, 0], [1, 5], (2,)), [3, 5]),
        (Box([-3, 0], [1, 3], (2,)), 3),
        (Box(-(2**63), 0, (2,), np.int64), 2.0**63),
        (Box(0, INF, ()), INF),
        (Box(0, 1, (0,)), 0),
    ],
    ids=str,
)
def test_magnitude(space, expected):
    assert space.magnitude.tolist() == expected


def test_mappings_of_spaces():
    expected = Dict({"a": Discrete(2), "b": Box(-1, 1, (3,))})
    assert as_space({"a": spaces.Discrete(2), "b": Box(-1, 1, (3,))}) == expected
    assert as_space({"type": "Dict", "spaces": {"a": spaces.Discrete(2), "b": spaces.Box(-1, 1, (3,))}}) == expected


@pytest.mark.parametrize(
    "spec, space",
    [
        (dm_env.specs.DiscreteArray(3), Discrete(3, dtype=np.int32)),
        (dm_env.specs.DiscreteArray(3, dtype=np.int64), Discrete(3)),
        (dm_env.specs.Array((2, 3), np.float64), Box(-INF, INF, (2, 3))),
        (dm_env.specs.Array((2,), np.uint8), Box(0, 255, (2,), np.uint8)),
        (dm_env.specs.Array((), np.bool_), Box(0, 1, (), np.bool_)),
        (dm_env.specs.Array((2,), np.int32), Box(-(2**31), 2**31 - 1, (2,), np.int32)),
        (dm_env.specs.BoundedArray((2,), np.float64, [-1, -2], 1), Box([-1, -2], 1, (2,))),
        (dm_env.specs.BoundedArray((2,), np.float64, -1e300, 1e300), Box(-INF, INF, (2,))),
        (dm_env.specs.BoundedArray((84, 84, 3), np.uint8, 0, 255), Box(0, 255, (84, 84, 3), np.uint8)),
        ({"a": dm_env.specs.DiscreteArray(2, dtype=np.int64)}, Dict({"a": Discrete(2)})),
    ],
    ids=str,
)
def test_dm_env_specs(spec, space):
    assert as_space(spec) == space


KEY = "observation_space"


@pytest.mark.parametrize(
    "wrong, found",
    [
        (None, "NoneType"),
        (3, "found int 3"),
        ("CartPole-v1", "CartPole-v1"),
        ([2, 3], "[2, 3]"),
        ({}, ".shape is missing"),
        ({"type": "Discrete"}, ".shape is missing"),
        ({"type": "MultiDiscrete"}, ".nvec is missing"),
        ({"type": "Dict"}, ".spaces is missing"),
        ({"type": "Dict", "spaces": {}}, "at least one space, found none"),
        ({"type": "Dict", "spaces": 3}, "'spaces': 3"),
        ({"type": "Dict", "spaces": {"a": {"shape": "x"}}}, f"{KEY}.a.shape: found 'x'"),
        ({"type": "Dict", "spaces": {"a": {"shape": (2,), "low": 1, "high": 0}}}, f"{KEY}.a: a Box space needs low"),
        ({"type": "Discret", "shape": (2,)}, ".type: found 'Discret'; use Box, Discrete"),
        ({"type": ["Box"], "shape": (2,)}, "['Box']"),
        ({"shape": "84"}, ".shape: found '84'"),
        ({"shape": (-1,)}, ".shape: found (-1,)"),
        ({"shape": (2.5,)}, ".shape: found (2.5,)"),
        ({"shape": {"a": 1}}, ".shape: found {'a': 1}"),
        ({"shape": (2,), "dtype": "floaty"}, "floaty"),
        ({"shape": (2,), "dtype": "complex64"}, "complex64"),
        ({"shape": (2,), "range": [1, 0]}, "needs low <= high everywhere, found low 1 and high 0"),
        ({"shape": (2,), "low": [0, float("nan")], "high": 1}, "found low [0 nan] and high 1"),
        ({"shape": (2,), "range": [0]}, ".range: found [0]; use [least, greatest]"),
        ({"shape": (2,), "range": 3}, "'range': 3"),
        ({"shape": (2,), "range": "01"}, ".range: found '01'"),
        ({"shape": (2,), "low": [1, 2, 3], "high": 9}, "(3,)"),
        ({"shape": (2,), "range": [-1, 255], "dtype": "uint8"}, "found low -1, which uint8 cannot hold"),
        ({"shape": (2,), "range": [0, 0.5], "dtype": "int32"}, "found high 0.5, which int32 cannot hold"),
        ({"shape": (2,), "range": [0, INF], "dtype": "int32"}, "found high inf, which int32 cannot hold"),
        ({"shape": (2,), "range": [0, 2**70], "dtype": "int32"}, str(2**70)),
        ({"shape": (3,), "type": "Discrete", "range": [0, 3]}, "found shape (3,) and range [0, 3]"),
        ({"shape": (3,), "type": "Discrete", "range": [0.5, 2.5]}, "range [0.5, 2.5]"),
        ({"shape": 3, "type": "Discrete", "range": [0, 3]}, "found shape (3,) and range [0, 3]"),
        ({"shape": (2, 2), "type": "Discrete", "range": [0, 1]}, "found shape (2, 2)"),
        ({"shape": (0,), "type": "Discrete", "range": [0, -1]}, "found shape (0,)"),
        ({"type": "MultiDiscrete", "nvec": [2, 0]}, "nvec of 1 or more, found [2 0]"),
        ({"type": "MultiDiscrete", "nvec": []}, "nvec"),
        ({"type": "MultiDiscrete", "nvec": [2.5]}, "found nvec [2.5], which int64 cannot hold"),
        ({"type": "MultiDiscrete", "nvec": [2, 2], "shape": (3,)}, ".shape: found (3,), but nvec has shape (2,)"),
        (spaces.Text(3), "Text spaces are not supported; use Box"),
        (spaces.Tuple([spaces.Discrete(2)]), "Tuple spaces are not supported"),
        (spaces.Dict({"a": spaces.Text(3)}), f"{KEY}.a: Text spaces are not supported"),
        (spaces.Tuple([spaces.Discrete(2)]), "the wrapper gymnasium.wrappers.FlattenObservation"),
        (spaces.Dict({"a": spaces.Text(3)}), "or leave a out"),
        (spaces.Dict({}), "at least one space, found none"),
        (spaces.Dict({"a": spaces.Dict({})}), f"{KEY}.a: a Dict space needs at least one space"),
        (spaces.Dict({0: spaces.Discrete(2), 1: spaces.Discrete(2)}), "found the key 0; the keys of a Dict space"),
        ({"a": {1: Discrete(2)}}, f"{KEY}.a: found the key 1; the keys of a Dict space"),
        ({"type": "Dict", "spaces": {2: {"shape": (3,)}}}, "found the key 2; the keys of a Dict space"),
        ([Discrete(2), spaces.Discrete(2)], "found a list of 2 spaces; use a dict that names each"),
        ((dm_env.specs.Array((2,), np.float32),), "found a tuple of 1 spaces; use a dict that names each"),
        ({"a": [{"b": Discrete(2)}], "c": Discrete(2)}, f"{KEY}.a: found a list of 1 spaces"),
        ({"a": Discrete(2), "b": "hello"}, f"{KEY}.b: found str 'hello'"),
        (dm_env.specs.StringArray(()), "text is not supported, found StringArray"),
        ({"a": Discrete(2), "b": dm_env.specs.StringArray(())}, f"{KEY}.b: text is not supported"),
        ({"a": Discrete(2), "b": dm_env.specs.StringArray(())}, "use numbers, or leave b out"),
        (dm_env.specs.Array((2,), np.complex64), "dtype complex64 is not supported, found Array; use numbers"),
        ({"shape": (2,), "dtype": "longdouble"}, "use bools, integers or floats of at most 64 bits"),
        ({"shape": (10**9,)}, "found shape (1000000000,), 1,000,000,000 numbers; use at most 134,217,728"),
        ({"shape": (10**9,), "type": "MultiBinary"}, "1,000,000,000 numbers"),
        (dm_env.specs.Array((2**14, 2**14), np.float32), "268,435,456 numbers"),
        (np.zeros((2, 2)), "ndarray"),
        ({"shape": (100, 100), "low": np.ones((100, 100)), "high": 0}, "needs low <= high"),
    ],
    ids=str,
)
def test_mistakes_are_one_line_that_names_the_key(wrong, found):
    with pytest.raises(ConfigurationError) as caught:
        as_space(wrong, KEY)
    message = str(caught.value)
    assert message.startswith((f"{KEY}:", f"{KEY}.")) and message.count(f"{KEY}:") <= 1
    assert "\n" not in message and len(message) < 700
    assert found in message


@pytest.mark.parametrize(
    "wrong, found",
    [
        (spaces.Tuple([spaces.Discrete(2)]), "env action_space: Tuple actions are not supported"),
        (spaces.Text(3), "env action_space: Text actions are not supported"),
        (spaces.Dict({"a": spaces.Tuple([spaces.Discrete(2)])}), "env action_space.a: Tuple actions are not supported"),
        ({"shape": (2,), "type": "Tuple"}, "env action_space.type: found 'Tuple'"),
    ],
)
def test_dicts_are_not_recommended_for_actions(wrong, found):
    with pytest.raises(ConfigurationError) as caught:
        as_space(wrong, "env action_space")
    message = str(caught.value)
    assert message.startswith(found) and "use one Box of floats, Discrete" in message
    assert "Dict" not in message and "\n" not in message


def test_equal_spaces_have_equal_hashes():
    a, b = Discrete(2), Box(-1, 1, (3,))
    assert Dict({"a": a, "b": b}) == Dict({"b": b, "a": a})
    assert len({Dict({"a": a, "b": b}), Dict({"b": b, "a": a}), a, b, Discrete(2), Discrete(3)}) == 4
    assert Discrete(2) != Discrete(2, start=1) and Box(0, 1, (2,)) != Box(0, 1, (2,), np.float64)
    assert Box(0, [1, 2], (2,)) != Box(0, [1, 3], (2,)) and Discrete(2) != 2


def test_tensor_specs():
    space = Dict({"a": Discrete(3), "b": Box(0, 255, (2, 3), np.uint8), "c": MultiBinary((4,))})
    assert space.tensor_spec() == {
        "a": TensorSpec((), torch.int64),
        "b": TensorSpec((2, 3), torch.uint8),
        "c": TensorSpec((4,), torch.int8),
    }
    assert Box(0, 1, (), np.bool_).tensor_spec() == TensorSpec((), torch.bool)


def test_is_bounded():
    assert Box(0, 1, (2,)).is_bounded and Box(0, 1, (2,), np.uint8).is_bounded
    assert not Box([0, -INF], 1, (2,)).is_bounded and not Box(0, [INF, 1], (2,)).is_bounded
