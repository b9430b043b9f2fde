"""Nested tuples, lists, dicts and dataclasses of values, taken apart and put together again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any


def is_leaf(tree: Any) -> bool:
    return not isinstance(tree, (tuple, list, dict)) and not is_dataclass(tree)


def is_dataclass(tree: Any) -> bool:
    """Whether it is an object of a dataclass that is no more than its fields: no module."""
    return hasattr(type(tree), "__dataclass_fields__") and not callable(tree)


def children_of(tree: Any) -> list[Any]:
    """What a container holds."""
    if isinstance(tree, dict):
        return list(tree.values())
    if is_dataclass(tree):
        return [getattr(tree, name) for name in tree.__dataclass_fields__]
    return list(tree)


def leaves(tree: Any) -> list[Any]:
    """The values, in order; dicts in theirs."""
    if is_leaf(tree):
        return [tree]
    return [leaf for child in children_of(tree) for leaf in leaves(child)]


def rebuild(tree: Any, values: Iterator[Any]) -> Any:
    """The containers of `tree` around the next of the values."""
    if is_leaf(tree):
        return next(values)
    if isinstance(tree, dict):
        return type(tree)((key, rebuild(child, values)) for key, child in tree.items())
    children = [rebuild(child, values) for child in children_of(tree)]
    if is_dataclass(tree):
        made = copy.copy(tree)
        for name, child in zip(tree.__dataclass_fields__, children, strict=True):
            object.__setattr__(made, name, child)  # it may be frozen
        return made
    return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same containers around function(leaf)."""
    return rebuild(tree, iter([function(leaf) for leaf in leaves(tree)]))


def structure(tree: Any) -> Any:
    """What two trees have in common if they differ in their leaves alone."""
    if is_leaf(tree):
        return "*"
    if isinstance(tree, dict):
        return {key: structure(child) for key, child in tree.items()}
    children = [structure(child) for child in children_of(tree)]
    if is_dataclass(tree):
        return type(tree), tuple(children)
    return children if isinstance(tree, list) else tuple(children)


def spread(prefix: Any, tree: Any, fits: Callable[[Any], bool]) -> list[Any] | None:
    """For each leaf of the tree the value that stands for it in `prefix`, a tree cut off higher up.

    `fits` tells which leaves a prefix may have. None where the two do not fit together.
    """
    if is_leaf(prefix):
        return [prefix] * len(leaves(tree)) if fits(prefix) else None
    if is_leaf(tree) or isinstance(prefix, dict) != isinstance(tree, dict):
        return None
    if len(children_of(prefix)) != len(children_of(tree)):
        return None
    if isinstance(tree, dict):
        if prefix.keys() != tree.keys():
            return None
        pairs = [(prefix[key], child) for key, child in tree.items()]
    else:
        pairs = list(zip(children_of(prefix), children_of(tree), strict=True))
    parts = [spread(part, child, fits) for part, child in pairs]
    if any(part is None for part in parts):
        return None
    return [value for part in parts for value in part]  # type: ignore[union-attr]
