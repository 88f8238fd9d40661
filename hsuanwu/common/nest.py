"""Nests: a leaf (array or tensor), or a dict or tuple of nests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

Nest: TypeAlias = Any
"""A leaf, a mapping from names to nests, or a tuple of nests. An empty tuple has no leaves."""


def map_nest(function: Callable[..., Any], nest: Nest, *others: Nest) -> Nest:
    """Return a nest of the same structure whose leaves are ``function(leaf, *leaves of others)``.

    Raises:
        KeyError: if another nest lacks a name of the first.
        ValueError: if tuples differ in length.

    Example:
        >>> map_nest(lambda x, y: x + y, {"a": 1, "b": (2, 3)}, {"a": 10, "b": (20, 30)})
        {'a': 11, 'b': (22, 33)}
    """
    if isinstance(nest, Mapping):
        return {k: map_nest(function, v, *(o[k] for o in others)) for k, v in nest.items()}
    if isinstance(nest, (tuple, list)):
        rows = zip(nest, *others, strict=True)
        return tuple(map_nest(function, *row) for row in rows)
    return function(nest, *others)


def leaves(nest: Nest) -> Iterator[Any]:
    """Yield the leaves of a nest, depth first, in the order of its keys.

    Example:
        >>> list(leaves({"a": 1, "b": (2, 3)}))
        [1, 2, 3]
    """
    for _, leaf in named_leaves(nest):
        yield leaf


def named_leaves(nest: Nest, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ``(path, leaf)`` pairs; the parts of a path are joined by ``/``.

    In names ``~`` and ``/`` are written ``~0`` and ``~1``, as in JSON pointers, so that no two paths are the same.

    Example:
        >>> list(named_leaves({"a": 1, "b": (2, 3)}, "x"))
        [('x/a', 1), ('x/b/0', 2), ('x/b/1', 3)]
    """
    if isinstance(nest, Mapping):
        items: Any = nest.items()
    elif isinstance(nest, (tuple, list)):
        items = enumerate(nest)
    else:
        yield prefix, nest
        return
    for key, value in items:
        part = str(key).replace("~", "~0").replace("/", "~1")
        yield from named_leaves(value, f"{prefix}/{part}" if prefix else part)


def first_leaf(nest: Nest) -> Any:
    """Return the first leaf.

    Raises:
        ValueError: if the nest has no leaf.
    """
    for leaf in leaves(nest):
        return leaf
    raise ValueError("an empty nest has no first leaf")


def unflatten(template: Nest, values: Mapping[str, Any], prefix: str = "") -> Nest:
    """Return a nest shaped like ``template`` whose leaves are looked up by path in ``values``.

    Example:
        >>> unflatten({"a": 0, "b": (0,)}, {"x/a": 1, "x/b/0": 2}, "x")
        {'a': 1, 'b': (2,)}
    """
    paths = iter([path for path, _ in named_leaves(template, prefix)])
    return map_nest(lambda _: values[next(paths)], template)
