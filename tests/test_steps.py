"""Native steps of plans: which ops have none, positions out of range, and keys of index tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import CASES
from test_ops import cast, draw
from test_static import assert_same, depends_on_values, program

import pyautograd as ag
from pyautograd import nn
from pyautograd.static.plan import PythonStep
from pyautograd.tensor import Tensor

F = nn.functional


def python_steps(function: Any) -> list[str]:
    """The names of the calls of Python in the latest plan of a compiled function."""
    return [p.call.name for p in function._latest.plan.parts if isinstance(p, PythonStep)]


def steps(function: Any) -> list[str]:
    return [note.name for note in function._latest.plan.notes]


def check(function: Callable[..., Any], *args: Tensor) -> Any:
    """The compiled function, which equals the eager one bit for bit, twice, on native steps."""
    compiled = ag.compile(function)
    for _ in range(2):
        got, want = compiled(*args), function(*args)
        assert_same(*[y if isinstance(y, (tuple, list)) else [y] for y in (got, want)])
    assert python_steps(compiled) == []
    return compiled


# ---- what is left to Python ----------------------------------------------------------------------

# Ops of the case table whose forward runs in Python between native steps, and why.
LEFT = {
    "LAPACK, through NumPy": (
        "cholesky", "det", "det_sign", "eigh", "inv", "log_det", "lower_half", "qr", "solve", "svd",
    ),
    "NumPy's function: no opcode": (
        "acosh", "asinh", "atan2", "atanh", "floor_divide", "fmod", "hypot", "logaddexp",
        "remainder", "signbit",
    ),
    "kernels that plans do not call": (
        "grid_sample", "grid_sample_grid_grad", "grid_sample_input_grad", "max_pool2d_windows",
        "resample2d",
    ),
    "index arrays that are part of a key, for x[key] = value": ("assign", "erase", "index"),
}  # fmt: skip


def test_the_ops_without_a_native_step_are_these() -> None:
    found: set[str] = set()
    for case in CASES:
        if not depends_on_values(case):
            tensors = [
                ag.from_numpy(a) for a in cast(draw(case, np.random.default_rng(7)), np.float32)
            ]
            compiled = ag.compile(program(case, min(case.order, 2)))
            compiled(*tensors)
            found.update(python_steps(compiled))
    assert found == {name for names in LEFT.values() for name in names}


# ---- positions -----------------------------------------------------------------------------------

KEYS: dict[str, Callable[..., Any]] = {
    "one": lambda i, j: (i,),
    "second": lambda i, j: (slice(None), i),
    "last": lambda i, j: (..., i),
    "two": lambda i, j: (i, j),
    "two behind": lambda i, j: (slice(None), i, j),
    "two apart": lambda i, j: (i, slice(None), j),
    "integer before": lambda i, j: (1, i),
    "integer behind": lambda i, j: (i, 0),
    "integer apart": lambda i, j: (i, slice(None), 1),
    "integer first, apart": lambda i, j: (1, slice(None), i),
    "slice": lambda i, j: (slice(1, None), i),
    "steps": lambda i, j: (slice(None, None, 2), slice(None, None, -1), j),
    "new": lambda i, j: (None, i),
    "new between": lambda i, j: (i, None, j),
    "broadcast": lambda i, j: (i[:, None], j),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keys_of_index_tensors(name: str, dtype: Any) -> None:
    x, scale = ag.randn(5, 4, 3).to(dtype), ag.randn(5, 4, 3).to(dtype)

    def f(x: Tensor, i: Tensor, j: Tensor) -> Any:
        x = x.detach().requires_grad_()
        y = (x * scale)[KEYS[name](i, j)]
        return y.detach(), ag.autograd.grad((y * y).sum(), x)[0]

    i, j = ag.tensor([2, -1, 0, 2]), ag.tensor([0, 1, 2, 1])
    check(f, x, i, j)
    check(f, x, i[:1], j[:1])
    check(f, x, i[:0], j[:0])
    check(lambda x, i, j: x[KEYS[name](i, j)], ag.arange(60).reshape(5, 4, 3), i, j)


@pytest.mark.parametrize("shape", [(7, 5), (0, 5), (2, 3, 4), (40, 3000)])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_reductions_of_integers(shape: Any, dtype: Any) -> None:
    x = ag.from_numpy(np.random.default_rng(0).integers(0, 5, shape).astype(dtype))

    def f(x: Tensor) -> Any:
        all_dims = [x.sum(), x.prod(), *([] if x.dtype != np.bool_ else [x.all(), x.any()])]
        dims = [x.sum(d) for d in range(x.ndim)] + [x.sum((0, -1), keepdim=True)]
        truths = [] if x.dtype != np.bool_ else [x.all(0), x.any(-1)]
        return (*all_dims, *dims, *truths)

    check(f, x)


@pytest.mark.parametrize("largest", [True, False])
def test_extremes_with_nan(largest: bool) -> None:
    x = ag.tensor([[1.0, 5.0, np.nan, 2.0, np.nan], [3.0, -0.0, 0.0, 3.0, -3.0]])

    def f(x: Tensor) -> Any:
        along = ag.cummax if largest else ag.cummin
        arg = ag.argmax if largest else ag.argmin
        top = ag.max if largest else ag.min
        return (*along(x, 1), *along(x, 0), arg(x), arg(x[1]), *top(x, 1), *top(x, 0))

    check(f, x)


PICKS: dict[str, tuple[Callable[..., Tensor], str]] = {
    "embedding": (lambda x, i: F.embedding(i, x), "embedding: row 7 of a table of 4 rows"),
    "gather": (
        lambda x, i: x.gather(0, i[:, None]),
        "gather: index 7 is out of bounds for dimension 0 with size 4",
    ),
    "index": (
        lambda x, i: x[i],
        r"index: index 7 is out of bounds for dimension 0 with size 4 \(shape \(4, 3\)\)",
    ),
    "index of the second": (
        lambda x, i: x.T[:, i],
        r"index: index 7 is out of bounds for dimension 1 with size 4 \(shape \(3, 4\)\)",
    ),
    "pairs": (lambda x, i: x[i, i * 0], "index: index 7 is out of bounds for .* 0 with size 4"),
    "scatter": (
        lambda x, i: x.scatter(0, i[:, None], 1.0),
        "scatter: index 7 is out of bounds for dimension 0 with size 4",
    ),
    "scatter_add": (
        lambda x, i: x.scatter_add(0, i[:, None], x[:2, :1] * 2.0),
        "scatter_add: index 7 is out of bounds for dimension 0 with size 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICKS)
def test_positions_out_of_range(name: str) -> None:
    pick, message = PICKS[name]
    x = ag.randn(4, 3)
    compiled = check(pick, x, ag.tensor([1, 3]))
    for run in (pick, compiled):
        with pytest.raises(IndexError, match=message.replace(" .* 0", " (dimension|axis) 0")):
            run(x, ag.tensor([1, 7]))
    assert_same([compiled(x, ag.tensor([0, 1]))], [pick(x, ag.tensor([0, 1]))])


@pytest.mark.parametrize("bad", ["word", "class"])
def test_an_error_leaves_all_state(bad: str) -> None:
    """Positions that are inputs are looked at before anything runs: batch norm's means stay."""
    ag.manual_seed(0)
    table, norm, out = nn.Embedding(9, 6), nn.BatchNorm1d(6), nn.Linear(6, 5)
    model = nn.ModuleList([table, norm, out])
    optimizer = ag.optim.Adam(model.parameters())

    @ag.compile
    def step(x: Tensor, words: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(out(norm(x) + table(words)), y)
        loss.backward()
        optimizer.step()
        return loss

    x, words, y = ag.randn(8, 6), ag.randint(0, 9, (8,)), ag.randint(0, 5, (8,))
    step(x, words, y)
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    grads = [np.copy(p.grad) for p in model.parameters()]
    with pytest.raises(IndexError, match="row 99" if bad == "word" else "class 99"):
        step(x, words * 0 + 99 if bad == "word" else words, y * 0 + 99 if bad == "class" else y)
    after = model.state_dict(), optimizer.state_dict()
    for key, value in before[0].items():
        assert_same([after[0][key]], [value])
    for key, entries in before[1]["state"].items():
        for name, value in entries.items():
            np.testing.assert_array_equal(after[1]["state"][key][name], value)
    for p, grad in zip(model.parameters(), grads, strict=True):
        np.testing.assert_array_equal(p.grad, grad)
    step(x, words, y)
