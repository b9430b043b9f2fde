"""What C++ does for views: shapes, and the account of who shares memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C


@pytest.mark.parametrize(
    ("old", "sizes", "new"),
    [
        ((2, 6), (3, 4), (3, 4)),
        ((2, 6), ((3, 4),), (3, 4)),
        ((2, 6), ([3, -1],), (3, 4)),
        ((2, 6), (-1,), (12,)),
        ((2, 6), (3, -1, 2), (3, 2, 2)),
        ((), (), ()),
        ((), (-1,), (1,)),
        ((0, 3), (-1, 3), (0, 3)),
        ((0, 3), (5, 0), (5, 0)),
    ],
)
def test_resolve_shape(old: Any, sizes: Any, new: Any) -> None:
    given = sizes
    assert _C.resolve_shape(old, sizes) == new
    assert given == sizes  # not changed
    assert ag.zeros(*old).reshape(*sizes).shape == new


@pytest.mark.parametrize(
    ("old", "sizes"),
    [
        ((2, 6), (5,)),
        ((2, 6), (-1, -1)),
        ((2, 6), (-1, 5)),
        ((2, 6), (-2, -6)),
        ((0, 3), (-1, 0)),
        ((2, 6), (1 << 70, -1)),
        ((1,), (-(1 << 70),)),
        ((2, 6), (1 << 40, 1 << 40)),
        ((2, 6), ((3, 4), 1)),
        ((2, 6), (12.0,)),
        ((2, 6), ("12",)),
        ((2, 6), (None,)),
        (7, (7,)),
        ((7,), 7),
    ],
)
def test_resolve_shape_leaves_to_python(old: Any, sizes: Any) -> None:
    assert _C.resolve_shape(old, sizes) is None
    if isinstance(old, tuple) and isinstance(sizes, tuple):
        with pytest.raises((ValueError, TypeError)):
            ag.zeros(*old).reshape(*sizes)


def test_link_view_takes_tensors_only() -> None:
    x = ag.zeros(3)
    for args in ((x, None), (None, x), (x,), (x, np.zeros(3)), (3, 4)):
        with pytest.raises(TypeError):
            _C.link_view(*args)


def test_views_that_are_gone_are_forgotten() -> None:
    x = ag.zeros(4)
    kept = [x[i:] for i in range(3)]
    for _ in range(1000):
        x.view(2, 2)
    assert len(x._views) < 600
    x += 1
    assert all((view == 1).all() for view in kept)
