import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsuanwu.common.nest import first_leaf, leaves, map_nest, named_leaves, unflatten

NESTS = st.recursive(
    st.integers(),
    lambda nests: st.dictionaries(st.text("ab/~01", max_size=3), nests, max_size=3) | st.lists(nests).map(tuple),
    max_leaves=8,
)


@given(nest=NESTS, prefix=st.sampled_from(["x", "x/y"]))
def test_a_nest_is_found_again_by_its_paths(nest, prefix):
    pairs = list(named_leaves(nest, prefix))
    assert len(dict(pairs)) == len(pairs), "two leaves have one path"
    assert unflatten(nest, dict(pairs), prefix) == nest
    assert [leaf for _, leaf in pairs] == list(leaves(nest))


@given(nest=NESTS)
def test_map_nest_keeps_the_structure(nest):
    assert map_nest(lambda x: x, nest) == nest
    doubled = map_nest(lambda x, y: (x + y,), nest, nest)
    assert map_nest(lambda x: x * 2, nest) == map_nest(lambda _, pair: pair[0], nest, doubled)


def test_names_that_hold_the_separator():
    nest = {"a/b": 1, "a": {"b": 2}, "a~1b": 3}
    assert list(named_leaves(nest, "x")) == [("x/a~1b", 1), ("x/a/b", 2), ("x/a~01b", 3)]


def test_lists_become_tuples_and_nothing_stays_nothing():
    assert map_nest(lambda x: -x, {"a": [1, 2], "b": ()}) == {"a": (-1, -2), "b": ()}
    assert list(leaves(((), {}))) == []


def test_nests_that_do_not_fit():
    with pytest.raises(KeyError):
        map_nest(lambda *x: x, {"a": 1}, {"b": 1})
    with pytest.raises(ValueError):
        map_nest(lambda *x: x, (1, 2), (1,))
    with pytest.raises(KeyError):
        unflatten({"a": 0}, {"x/b": 1}, "x")


def test_first_leaf():
    assert first_leaf({"a": ((), {"b": 5}), "c": 6}) == 5
    with pytest.raises(ValueError, match="no first leaf"):
        first_leaf({"a": ()})
