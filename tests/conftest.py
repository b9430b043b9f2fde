"""What all tests share: the folder's own modules, a seed, and a watch over global modes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C, modes

sys.path.insert(0, str(Path(__file__).parent))  # cases.py, references.py
from browser import browser  # noqa: F401  # a fixture: one for all tests


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers of the test's own, the same in every run."""
    return np.random.default_rng(list(request.node.name.encode()))


def _modes() -> dict[str, object]:
    return {
        "grad mode": ag.is_grad_enabled(),
        "threads with recording off": modes.state.grad_off,
        "number of threads": ag.get_num_threads(),
        "instruction set": _C.isa(),
        "winograd": ag.backends.winograd,
        "flush denormals": ag.backends.flush_denormals,
        "limit of kept memory": ag.memory_stats()["limit"],
        "NumPy's error state": np.geterr(),
    }


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    """Seeds the default generator, and fails a test that leaves a global mode switched."""
    ag.manual_seed(0)
    before = _modes()
    yield
    after = _modes()
    modes.switch_grad(True)
    modes.state.grad_off = 0
    ag.set_num_threads(before["number of threads"])  # type: ignore[arg-type]
    _C.select_isa(str(before["instruction set"]))
    ag.backends.winograd = before["winograd"]  # type: ignore[assignment]
    ag.backends.flush_denormals = before["flush denormals"]  # type: ignore[assignment]
    ag.set_cache_limit(before["limit of kept memory"])  # type: ignore[arg-type]
    np.seterr(**before["NumPy's error state"])  # type: ignore[arg-type]
    left = {name: value for name, value in after.items() if value != before[name]}
    assert not left, f"left switched by the test: {left}"
