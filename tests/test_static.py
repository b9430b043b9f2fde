"""Static graphs: what `ag.compile` makes of programs equals what they do eagerly, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from case import Case
from cases import CASES
from static_networks import verify_passes
from test_ops import K, as_draw, cast, draw, listed, rows, weights

import pyautograd as ag
from pyautograd.tensor import Tensor


@pytest.fixture(autouse=True)
def _verified(monkeypatch: pytest.MonkeyPatch) -> None:
    verify_passes(monkeypatch)


def program(case: Case, order: int) -> Callable[..., Any]:
    """The outputs of a row, and its gradients up to an order."""

    def run(*tensors: Tensor) -> list[Tensor]:
        inputs = [
            t.detach().requires_grad_(as_draw(spec).grad and t.is_floating_point())
            for t, spec in zip(tensors, case.inputs, strict=True)
        ]
        outputs = listed(case.run(K, *inputs))
        found = [y.detach() for y in outputs]
        wanted = [x for x in inputs if x.requires_grad]
        sources = [y for y in outputs if y.requires_grad]
        for i in range(order):
            if not sources or not wanted:
                break
            seeds = [
                ag.from_numpy(v.astype(y.dtype))
                for v, y in zip(
                    weights([np.empty(y.shape, bool) for y in sources]), sources, strict=True
                )
            ]
            sources = list(
                ag.autograd.grad(
                    sources, wanted, seeds, create_graph=i + 1 < order, allow_unused=True,
                    materialize_grads=True,
                )
            )  # fmt: skip
            found += [g.detach() for g in sources]
            sources = [g for g in sources if g.requires_grad]
        return found

    return run


def assert_same(got: Any, want: Any) -> None:
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_array_equal(g.numpy(), w.numpy())


# Shapes that depend on elements.
REFUSED = ("mask ", "masked_select")


def depends_on_values(case: Case) -> bool:
    return f"{case.name} ".startswith(REFUSED) and case.name != "mask operators"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@rows([case for case in CASES if not depends_on_values(case)])
def test_rows_compiled_equal_eager(case: Case, dtype: Any) -> None:
    rng = np.random.default_rng(7)
    function = program(case, min(case.order, 2))
    compiled = ag.compile(function)
    for _ in range(2):  # traced, then run again on other values
        tensors = [ag.from_numpy(a) for a in cast(draw(case, rng), dtype)]
        assert_same(compiled(*tensors), function(*tensors))


@rows([case for case in CASES if depends_on_values(case)])
def test_what_depends_on_values_is_refused(case: Case) -> None:
    tensors = [ag.from_numpy(a) for a in cast(draw(case, np.random.default_rng(7)), np.float32)]
    with pytest.raises((ag.static.GraphError, IndexError)):
        ag.compile(program(case, 1))(*tensors)


def test_run_timed_names_and_times_each_step() -> None:
    @ag.compile
    def f(x: Tensor, w: Tensor) -> Tensor:
        return (x @ w).relu().cumsum(0).exp()

    x, w = ag.randn(8, 4), ag.randn(4, 3)
    want = f(x, w)
    plan = f._latest.plan
    (got,), steps = plan.run_timed([x.numpy(), w.numpy()])
    np.testing.assert_array_equal(got, want.numpy())
    assert [name for name, _ in steps] == ["matmul+relu", "running_sum", "exp"]
    assert all(0 < seconds < 1 for _, seconds in steps)
