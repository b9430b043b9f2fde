"""Changes in place: the tape follows them, also through views; what it cannot follow is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag

Program = Callable[[Any, Any, Any], Any]


def _chained(lib: Any, a: Any, b: Any) -> Any:
    x = a.clone()
    x.mul_(b).add_(a).sub_(2.0)
    x /= b
    return x.exp_() * a


def _powers(lib: Any, a: Any, b: Any) -> Any:
    x = (a * a + 1).sqrt_() * 2.0
    x = x.log_().neg_() * 1.0
    x = x.tanh_() + 0.5
    return x.sigmoid_() * b


def _by_itself(lib: Any, a: Any, b: Any) -> Any:
    x = a * 1.5
    x.mul_(b)
    x.mul_(x.clone())
    return x


def _item(lib: Any, a: Any, b: Any) -> Any:
    x = a.clone()
    x[1] = b[0] * 3
    x[:, 2] = 5.0
    x[0, :2] = a[1, :2] * b[2, 1]
    return x * a


def _item_of_constant(lib: Any, a: Any, b: Any) -> Any:
    x = lib.zeros(4, 3, dtype=lib.float64)
    for i in range(4):
        x[i] = a[i % 3] * b[(i + 1) % 3]
    return x


def _gathered(lib: Any, a: Any, b: Any) -> Any:
    x = a * 2
    x[lib.tensor([2, 0])] = b[:2]
    x[x.detach() > 1.0] = 0.5
    return x * x


def _view(lib: Any, a: Any, b: Any) -> Any:
    x = a * b
    v = x[1]
    v.mul_(a[0])
    return x * x + v


def _base(lib: Any, a: Any, b: Any) -> Any:
    x = a * b
    v = x.t()[0]
    x.mul_(a)
    return x.sum(0) + v * v


def _siblings(lib: Any, a: Any, b: Any) -> Any:
    x = a * b
    rows, columns, flat = x[:2], x.t(), x.view(-1)
    rows.add_(a[1:])
    flat[2:5].mul_(b.view(-1)[:3])
    columns[1] = columns[2] * 2
    return x.sum(0) + columns.sum(1) * flat[:3] + rows[1]


def _negative_steps(lib: Any, a: Any, b: Any) -> Any:
    x = (a * b).view(9)
    x[2:7].view(5)[1:4].mul_(b[0])
    return x.view(3, 3).permute(1, 0) * a


def _expanded(lib: Any, a: Any, b: Any) -> Any:
    x = a[0] * b[0]
    wide = x.expand(3, 3)
    x.mul_(a[1])
    return wide * b


def _copied(lib: Any, a: Any, b: Any) -> Any:
    x = a * b
    y = lib.zeros(3, 3, dtype=lib.float64)
    y.copy_(x)
    y[1:].copy_(a[0])
    x.zero_()
    x.t()[0].add_(b[1])
    return y * a + x


def _bounded(lib: Any, a: Any, b: Any) -> Any:
    x = a * b
    x.clamp_(-0.5, 0.7)
    x = x.add_(a).relu_() * 1.0
    x.masked_fill_(b > 1, -3.0)
    return x * a


def _filled(lib: Any, a: Any, b: Any) -> Any:
    x = a * b
    x[0].fill_(2.0)
    return x * x * a


def _repeatedly(lib: Any, a: Any, b: Any) -> Any:
    x = a.clone()
    total = lib.zeros(3, dtype=lib.float64)
    for i in range(3):
        x[i].mul_(b[i])
        total += x[i].clone() * x[(i + 1) % 3].clone()
    return total


def _weighted(lib: Any, a: Any, b: Any) -> Any:
    x = a * 1
    x.add_(b, alpha=-0.5).sub_(2.0, alpha=0.25)
    return lib.add(x, a, alpha=2) * lib.sub(b, x, alpha=3)


def _rows_and_columns(lib: Any, a: Any, b: Any) -> Any:
    x = a * 1
    x[0].mul_(2)
    x[:, 1] += b[:, 2]
    x[1:, 1:] *= b[:2, :2]
    part = x[2][1:3]
    part.exp_()
    return x * a + part.sum()


def _base_and_views(lib: Any, a: Any, b: Any) -> Any:
    x = a * 1
    row = x[0]
    x.mul_(3)
    row.add_(b[1])
    column = x.t()[1].neg_()
    return x * row + column * row


PROGRAMS: list[Program] = [
    _weighted, _rows_and_columns, _base_and_views,
    _chained, _powers, _by_itself, _item, _item_of_constant, _gathered, _view, _base, _siblings,
    _negative_steps, _expanded, _copied, _bounded, _filled, _repeatedly,
]  # fmt: skip
by_name = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__.strip("_"))


def _values() -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    return rng.uniform(0.5, 1.5, (3, 3)), rng.uniform(0.6, 1.4, (3, 3))


@by_name
def test_gradients_to_second_order(program: Program) -> None:
    a, b = [ag.tensor(x, requires_grad=True) for x in _values()]
    assert ag.autograd.gradcheck(lambda a, b: program(ag, a, b), (a, b))
    assert ag.autograd.gradgradcheck(lambda a, b: program(ag, a, b), (a, b))


@by_name
def test_same_as_torch(program: Program) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for lib in (ag, torch):
        a, b = [lib.tensor(x, requires_grad=True) for x in _values()]
        out = program(lib, a, b)
        first = lib.autograd.grad((out * out).sum(), (a, b), create_graph=True)
        (first[0] * first[1]).sum().backward()
        found.append([np.asarray(x.detach()) for x in (out, *first, a.grad, b.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@by_name
def test_float32(program: Program) -> None:
    """Dtypes mix: the programs' constants are float64."""
    a, b = [ag.tensor(x.astype("float32"), requires_grad=True) for x in _values()]
    try:
        program(ag, a, b).sum().backward()
    except TypeError:
        pytest.fail("a change in place must cast within floating point")
    assert a.grad.dtype == ag.float32


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.add_(1),
        lambda t: t.zero_(),
        lambda t: t.__setitem__(0, 1.0),
        lambda t: t.copy_(ag.ones(2)),
        lambda t: t.fill_(0),
        lambda t: t.__iadd__(1.0),
        lambda t: t[0].mul_(2),
        lambda t: t.view(1, 2).copy_(ag.ones(2)),
    ],
)
def test_leaf(change: Any) -> None:
    x = ag.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        change(x)
    assert x.tolist() == [1.0, 1.0]
    with ag.no_grad():
        change(x)
    assert x.requires_grad
    assert x.is_leaf


def test_a_view_made_behind_the_back_of_the_tape() -> None:
    """Changed where ops are recorded, its base would have values that its node does not compute."""
    w = ag.ones(2, 2, requires_grad=True)
    for x in (w, w * 1):
        with ag.no_grad():
            v = x[0]
            v.mul_(2)
        with pytest.raises(RuntimeError, match=r"mul_: .* view, made under no_grad"):
            v.mul_(2)
        with pytest.raises(RuntimeError, match=r"assignment: .* view, made under no_grad"):
            v[0] = 1.0
        v.detach().mul_(2)
        assert x[0].tolist() == [4.0, 4.0]


@pytest.mark.parametrize(
    ("save", "change", "ops"),
    [
        (lambda x: x * x, lambda x: x.add_(1), ("mul", "add_")),
        (lambda x: x.exp(), None, ("exp", "mul_")),
        (lambda x: x.log(), lambda x: x.zero_(), ("log", "zero_")),
        (lambda x: x * x, lambda x: x[0].fill_(1), ("mul", "fill_")),
        (lambda x: x[1:] * x[1:], lambda x: x.__setitem__(0, 1), ("mul", "assignment")),
        (lambda x: x * x, lambda x: x.detach().view(-1)[1:].neg_(), ("mul", "neg_")),
    ],
)
def test_saved_value(save: Any, change: Any, ops: Any) -> None:
    """The error names the op that saved the value and the op that changed it."""
    x = ag.ones(3, requires_grad=True) * 2
    y = save(x)
    (change or (lambda _: y.mul_(2)))(x)
    with pytest.raises(RuntimeError, match=f"{ops[0]}.*saved.*{ops[1]}.*changed in place"):
        y.sum().backward()


def test_change_that_harms_nothing() -> None:
    x = ag.ones(3, requires_grad=True)
    y = x * 2
    z = y + 1  # keeps nothing
    y.add_(5)
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_results_that_do_not_fit() -> None:
    x = ag.ones(3)
    for change, error, message in (
        (lambda: x.add_(ag.ones(2, 3)), ValueError, r"add_: .*\(2, 3\).*\(3,\)"),
        (lambda: ag.arange(3).add_(0.5), TypeError, "add_: .*float32.*int64"),
        (lambda: x.expand(2, 3).add_(1), ValueError, "read-only"),
        (lambda: x.copy_(ag.ones(2)), ValueError, "copy_"),
        (lambda: x.__setitem__(5, 1.0), IndexError, "assignment"),
        (lambda: x.__setitem__(0, "one"), TypeError, "assignment: .*str"),
    ):
        with pytest.raises(error, match=message):
            change()
    assert x.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(TypeError):
        x += "one"


# ---- what goes with it ---------------------------------------------------------------------------


def test_versions_are_shared_by_views() -> None:
    x = ag.zeros(4)
    v, d = x[:2], x.detach()
    before = x._version
    v.add_(1)
    d.mul_(2)
    x[0] = 3
    assert x._version == v._version == d._version == before + 3
    assert ag.zeros(2)._version == 0


def test_requires_grad_comes_with_the_values() -> None:
    w = ag.ones(2, requires_grad=True)
    x = ag.zeros(3, 2)
    row = x[1]
    row.copy_(w * 4)
    assert x.requires_grad
    assert row.requires_grad
    assert not x.is_leaf
    x.sum().backward()
    assert w.grad.tolist() == [4.0, 4.0]


def test_a_view_that_was_a_copy() -> None:
    """reshape may have to copy: then neither follows the other."""
    x = ag.ones(2, 3, requires_grad=True) * 2
    flat = x.t().reshape(6)
    x.mul_(3)
    assert flat.tolist() == [2.0] * 6
    (grad,) = ag.autograd.grad(flat.sum(), x, allow_unused=True)
    assert grad is None


def test_base_with_another_order_in_memory() -> None:
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    w = ag.tensor([2.0], dtype=ag.float64, requires_grad=True)
    x = ag.from_numpy(values)
    x[1].mul_(w)
    (x * x).sum().backward()
    assert w.grad.item() == 2 * 2 * (9 + 16 + 25)
    strided = ag.from_numpy(np.zeros(8)[::2])
    with pytest.raises(RuntimeError, match="gaps"):
        strided[1:].add_(w)


def test_retain_grad_follows() -> None:
    x = ag.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * y).sum().backward()
    assert y.grad.tolist() == [12.0, 12.0]


def test_views_are_forgotten() -> None:
    x = ag.zeros(100)
    for i in range(10_000):
        x[i % 100 :].sum()
    assert len(x._views) < 100


def test_outside_the_tape() -> None:
    x = ag.arange(4)
    y = x
    y += 2
    y *= 3
    assert x.tolist() == [6, 9, 12, 15]
    assert not x.requires_grad
