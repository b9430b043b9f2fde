"""Programs run twice: with this library and, where it is installed, with PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag


def flat(tree: Any) -> list[Any]:
    """The tensors of nested tuples, lists and dicts as arrays."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [x for child in tree for x in flat(child)]
    return [tree.detach().numpy()]


def containers(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: containers(child) for key, child in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree)(containers(child) for child in tree)
    return None


def close(got: Any, want: Any) -> None:
    got, want = flat(got), flat(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape
        assert g.dtype == w.dtype
        rtol = 1e-6 if w.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(g, w, rtol=rtol, atol=1e-10)


def twins(program: Callable[..., Any], *arrays: Any) -> Any:
    """program(library, *tensors) of ours; the same containers, shapes and values as PyTorch's."""
    ours = program(ag, *[ag.tensor(a) for a in arrays])
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = program(torch, *[torch.tensor(a) for a in arrays])
    assert containers(ours) == containers(theirs)
    close(ours, theirs)
    return ours
