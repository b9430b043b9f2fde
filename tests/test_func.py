"""pyautograd.func: reverse and forward mode, nested, on every op and on odd functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from case import Case, as_draw
from cases import CASES
from test_ops import K, draw, leaves, listed, rows, shaped, weights
from twins import close, twins

import pyautograd as ag
from pyautograd.func import (
    grad,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    value_and_grad,
    vjp,
    vmap,
)

X = np.array([0.3, -1.2, 2.0])
A = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
B = np.linspace(0.5, 2.0, 4)


def f64(values: Any) -> ag.Tensor:
    return ag.tensor(np.asarray(values, np.float64))


# ---- every op ------------------------------------------------------------------------------------


def of_floats(case: Case, arrays: list[Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The row as a function of its inputs with a gradient, to its outputs of floats."""
    inputs = leaves(case, arrays)
    chosen = [i for i, spec in enumerate(case.inputs) if as_draw(spec).grad]

    def run(*given: Any) -> tuple[Any, ...]:
        full = list(inputs)
        for i, x in zip(chosen, given, strict=True):
            full[i] = x
        return tuple([y for y in listed(case.run(K, *full)) if y.is_floating_point()])

    return run, tuple([inputs[i] for i in chosen])


DIFFERENTIABLE = [
    case
    for case in CASES
    if case.order
    and any(as_draw(spec).grad for spec in case.inputs)
    and not case.name.startswith("in place")  # refused: test_in_place
]


@rows(DIFFERENTIABLE)
def test_forward_mode_is_dual_to_reverse_mode(case: Case, rng: np.random.Generator) -> None:
    """<u, J v> = <Jᵀ u, v>, and forward mode records nothing."""
    run, primals = of_floats(case, draw(case, rng))
    tangents = tuple([f64(rng.standard_normal(x.shape)) for x in primals])
    with np.errstate(all="ignore"):
        outputs, moved = jvp(run, primals, tangents)
        again, pull = vjp(run, *primals)
        us = tuple([ag.from_numpy(u) for u in weights(shaped(list(outputs)))])
        pulled = pull(us)
        forward = sum((u.numpy() * t.numpy()).sum() for u, t in zip(us, moved, strict=True))
        reverse = sum((g.numpy() * v.numpy()).sum() for g, v in zip(pulled, tangents, strict=True))
    for y, t, z in zip(outputs, moved, again, strict=True):
        assert (t.shape, t.dtype) == (y.shape, y.dtype)
        assert not t.requires_grad
        np.testing.assert_array_equal(y.numpy(), z.numpy())
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-11)


@rows([case for case in DIFFERENTIABLE if case.order == 2 and case.smooth])
def test_forward_over_reverse(case: Case, rng: np.random.Generator) -> None:
    """The tangent of the gradient is the same by forward and by reverse mode (H is symmetric)."""
    run, primals = of_floats(case, draw(case, rng))
    tangents = tuple([f64(rng.standard_normal(x.shape)) for x in primals])

    def total(*xs: Any) -> Any:
        outputs = run(*xs)
        us = weights(shaped(list(outputs)))
        return sum((ag.tensor(u) * y).sum() for u, y in zip(us, outputs, strict=True))

    if not isinstance(total(*primals), ag.Tensor):
        return
    gradient = grad(total, tuple(range(len(primals))))
    _, forward = jvp(gradient, primals, tangents)
    _, pull = vjp(gradient, *primals)
    for a, b in zip(forward, pull(tangents), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-8, atol=1e-9)


# ---- the same as PyTorch's -----------------------------------------------------------------------


def net(T: Any, w: Any, x: Any) -> Any:
    return (T.tanh(x @ w) ** 2).sum()


PROGRAMS: dict[str, Callable[..., Any]] = {
    "grad": lambda T, x, a, b: T.func.grad(lambda x: (x.exp() * x).sum())(x),
    "grad of two": lambda T, x, a, b: T.func.grad(lambda p, q: net(T, p, q), (0, 1))(a, x),
    "grad of the last": lambda T, x, a, b: T.func.grad(lambda p, q: net(T, p, q), -1)(a, x),
    "grad with aux": lambda T, x, a, b: T.func.grad(lambda x: ((x**3).sum(), x * 2), has_aux=True)(
        x
    ),
    "grad of a tree": lambda T, x, a, b: T.func.grad(
        lambda p: net(T, p["w"], p["x"][0]) + p["x"][1].sum()
    )({"w": a, "x": (x, [b][0])}),
    "grad and value": lambda T, x, a, b: T.func.grad_and_value(lambda x: (x**3).sum())(x),
    "grad and value and aux": lambda T, x, a, b: T.func.grad_and_value(
        lambda x: ((x**3).sum(), {"y": x + 1}), has_aux=True
    )(x),
    "grad of grad": lambda T, x, a, b: T.func.grad(
        lambda x: T.func.grad(lambda x: (x**4).sum())(x).sum()
    )(x),
    "grad of grad of grad": lambda T, x, a, b: T.func.grad(
        T.func.grad(T.func.grad(lambda x: x**5 + T.sin(x) if hasattr(T, "sin") else x**5))
    )(x[0])
    * 0,
    "vjp": lambda T, x, a, b: T.func.vjp(lambda p, q: (q @ p, q.sum()), a, x)[1]((b, x[0])),
    "vjp of a dict": lambda T, x, a, b: T.func.vjp(lambda q: {"a": q * 2, "b": (q, q**2)}, x)[1](
        {"a": x, "b": (x, x)}
    ),
    "vjp value": lambda T, x, a, b: T.func.vjp(lambda q: (q * 2, [q]), x)[0],
    "vjp with aux": lambda T, x, a, b: T.func.vjp(lambda q: (q * 2, q + 1), x, has_aux=True)[::2],
    "jvp": lambda T, x, a, b: T.func.jvp(lambda p, q: q @ p, (a, x), (a * 2, x + 1)),
    "jvp of one": lambda T, x, a, b: T.func.jvp(lambda p, q=None: (x @ p, p.sum(0)), (a,), (a,)),
    "jvp with aux": lambda T, x, a, b: T.func.jvp(
        lambda p: (p.exp(), p * 2), (x,), (x,), has_aux=True
    ),
    "jvp of constants": lambda T, x, a, b: T.func.jvp(lambda p: (p, b), (x,), (x,)),
    "jvp of jvp": lambda T, x, a, b: T.func.jvp(
        lambda x: T.func.jvp(lambda x: x**3, (x,), (x * 2,))[1], (x,), (x + 1,)
    ),
    "jvp of grad": lambda T, x, a, b: T.func.jvp(
        T.func.grad(lambda p: net(T, p, x)), (a,), (a + 1,)
    ),
    "grad of jvp": lambda T, x, a, b: T.func.grad(
        lambda p: (T.func.jvp(lambda q: T.tanh(x @ q), (p,), (p * p,))[1] * b).sum()
    )(a),
    "linearize": lambda T, x, a, b: T.func.linearize(lambda p: T.tanh(x @ p), a)[1](a + 1),
    "jacrev": lambda T, x, a, b: T.func.jacrev(lambda p, q: T.tanh(q @ p))(a, x),
    "jacrev of two": lambda T, x, a, b: T.func.jacrev(lambda p, q: T.tanh(q @ p), (1, 0))(a, x),
    "jacrev of trees": lambda T, x, a, b: T.func.jacrev(
        lambda p: {"y": p["x"] @ p["a"], "z": (p["x"] ** 2, [p["a"].sum()])}
    )({"a": a, "x": x}),
    "jacrev with aux": lambda T, x, a, b: T.func.jacrev(lambda p: (p**2, p.sum()), has_aux=True)(x),
    "jacrev in chunks": lambda T, x, a, b: T.func.jacrev(lambda p: T.tanh(x @ p), chunk_size=3)(a),
    "jacfwd": lambda T, x, a, b: T.func.jacfwd(lambda p, q: T.tanh(q @ p))(a, x),
    "jacfwd of two": lambda T, x, a, b: T.func.jacfwd(lambda p, q: (q @ p, q), (0, 1))(a, x),
    "jacfwd with aux": lambda T, x, a, b: T.func.jacfwd(lambda p: (p**2, p.sum()), has_aux=True)(x),
    "hessian": lambda T, x, a, b: T.func.hessian(lambda p: net(T, p, x))(a),
    "hessian of two": lambda T, x, a, b: T.func.hessian(lambda p, q: net(T, p, q), (0, 1))(a, x),
    "hessian of a vector": lambda T, x, a, b: T.func.hessian(lambda q: T.tanh(q @ a))(x),
    "third derivative": lambda T, x, a, b: T.func.jacfwd(
        T.func.jacrev(T.func.jacrev(lambda q: (q**4).sum()))
    )(x),
    "forward over forward": lambda T, x, a, b: T.func.jacfwd(
        T.func.jacfwd(lambda q: T.tanh(q @ a).sum())
    )(x),
    "reverse over forward": lambda T, x, a, b: T.func.jacrev(
        T.func.jacfwd(lambda q: T.tanh(q @ a).sum())
    )(x),
    "vmap of grad": lambda T, x, a, b: T.func.vmap(T.func.grad(lambda r: (r**3).sum()))(a),
    "per-example gradients": lambda T, x, a, b: T.func.vmap(
        T.func.grad(lambda w, r: T.tanh(r * w).prod()), (None, 0)
    )(b, a),
    "grad of vmap": lambda T, x, a, b: T.func.grad(
        lambda a: T.func.vmap(lambda r: (r**3).sum())(a).prod()
    )(a),
    "vmap of jacrev": lambda T, x, a, b: T.func.vmap(T.func.jacrev(lambda r: T.tanh(a @ r)))(a),
    "vmap of hessian": lambda T, x, a, b: T.func.vmap(
        T.func.hessian(lambda r: T.tanh(a @ r).sum())
    )(a),
    "vmap of jvp": lambda T, x, a, b: T.func.vmap(
        lambda r, v: T.func.jvp(lambda r: T.tanh(a @ r), (r,), (v,)), (0, None)
    )(a, b),
    "jvp of vmap": lambda T, x, a, b: T.func.jvp(
        T.func.vmap(lambda r: T.softmax(r, 0) * r), (a,), (a + 1,)
    ),
    "jacrev of vmap": lambda T, x, a, b: T.func.jacrev(T.func.vmap(lambda r: (r**2).sum()))(a),
    "jvp of vmap of grad": lambda T, x, a, b: T.func.jvp(
        lambda a: T.func.vmap(T.func.grad(lambda r: T.tanh(r * b).sum()))(a), (a,), (a * 2,)
    ),
    "vmap of vmap of grad": lambda T, x, a, b: T.func.vmap(
        lambda r: T.func.vmap(lambda s: T.func.grad(lambda s: T.tanh(s * r).sum())(s))(a)
    )(a),
    "vjp in vmap": lambda T, x, a, b: T.func.vmap(
        lambda r: T.func.vjp(lambda s: T.tanh(s * r), b)[1](r)[0]
    )(a),
    "vmap of pull": lambda T, x, a, b: T.func.vmap(T.func.vjp(lambda s: T.tanh(s * b), b)[1])(a),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name: str) -> None:
    for y in _tensors(twins(PROGRAMS[name], X, A, B)):
        assert not y.requires_grad


def _tensors(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [x for child in tree for x in _tensors(child)]
    return [tree]


# ---- closures and the tape around ----------------------------------------------------------------


def around(T: Any, x: Any, a: Any, b: Any) -> Any:
    """Results can be differentiated by what the function closes over, and by its arguments."""
    w, x = a.clone().requires_grad_(), x.clone().requires_grad_()
    g = T.func.grad(lambda q: net(T, w, q))(x)
    _, t = T.func.jvp(lambda q: T.tanh(q @ w), (x,), (x.detach(),))
    h = T.func.hessian(lambda q: net(T, w, q))(x)
    each = T.func.vmap(T.func.grad(lambda r: T.tanh(r * b).sum()))(w)
    (g.sum() + t.sum() + (h**2).sum() + (each**2).sum()).backward()
    return w.grad, x.grad


def test_the_tape_around_follows() -> None:
    twins(around, X, A, B)


def test_nothing_around_is_recorded_or_changed() -> None:
    x, w = f64(X), f64(A).requires_grad_()
    g = grad(lambda q: (q @ f64(A)).sum())(x)
    assert not g.requires_grad
    assert grad(lambda q: (q @ w).sum())(x).requires_grad
    assert w.grad is None
    with ag.no_grad():
        assert not grad(lambda q: (q @ w).sum())(x).requires_grad
        assert not vjp(lambda q: q @ w, x)[0].requires_grad
    y, pull = vjp(lambda q: q**2, x)
    assert not y.requires_grad
    assert not vjp(lambda u: pull(u)[0], x)[1](x)[0].requires_grad
    assert not grad(lambda q: q.sum())(x.clone().requires_grad_().detach()).requires_grad


def test_no_grad_inside_cuts() -> None:
    def cut(x: Any) -> Any:
        with ag.no_grad():
            c = x**2
        return (x * c).sum()

    close(grad(cut)(f64(X)), f64(X**2))
    close(grad(lambda x: (x * x.detach()).sum())(f64(X)), f64(X))
    close(jvp(lambda x: x * x.detach(), (f64(X),), (f64(X),))[1], f64(X**2))


def test_a_pull_can_be_used_again_and_by_others() -> None:
    x = f64(X)
    _, pull = vjp(lambda q: q**3, x)
    close(pull(x), pull(x))
    close(vmap(pull)(f64(np.eye(3)))[0], f64(np.diag(3 * X**2)))
    close(jacrev(lambda u: pull(u)[0])(x), f64(np.diag(3 * X**2)))
    close(jvp(lambda u: pull(u)[0], (x,), (x,))[1], f64(3 * X**3))


def test_branches_and_numbers_of_duals() -> None:
    """Under jvp Python sees the primal."""

    def f(x: Any) -> Any:
        if x.sum() > 0:
            return x * x[0].item() + len(x) + float(x[1])
        return -x

    close(jvp(f, (f64(X),), (f64(X),)), (f64(X * 0.3 + 3 - 1.2), f64(X * 0.3)))
    close(jvp(f, (f64(-X),), (f64(X),))[1], f64(-X))
    text = []
    jvp(lambda x: (text.append(f"{x!r} {x.sum():.2f} {x.tolist()} {int(x[2])}"), x)[1],
        (f64(X),), (f64(X),))  # fmt: skip
    assert "Dual(level=1" in text[0]
    assert "1.10" in text[0]


# ---- odd functions -------------------------------------------------------------------------------


def test_inputs_and_constants_returned() -> None:
    x = f64(X)
    y, pull = vjp(lambda q: q, x)
    close(y, x)
    close(pull(x), (x,))
    close(vjp(lambda q: (q, q), x)[1]((x, x)), (f64(2 * X),))
    close(vjp(lambda q: f64(A), x)[1](f64(A)), (f64(0 * X),))
    close(grad(lambda q: f64(3.0))(x), f64(0 * X))
    close(grad(lambda q, r: q.sum(), argnums=1)(x, f64(A)), f64(0 * A))
    close(jacrev(lambda q: f64(B))(x), f64(np.zeros((4, 3))))
    close(jacfwd(lambda q: f64(B))(x), f64(np.zeros((4, 3))))
    close(hessian(lambda q: q.sum())(x), f64(np.zeros((3, 3))))


def test_integers_among_outputs_and_inputs() -> None:
    x, i = f64(X), ag.tensor([2, 0])
    close(grad(lambda q, k: q[k].sum())(x, i), f64([1.0, 0.0, 1.0]))
    y, t = jvp(lambda q: (q * 2, q.argmax(), q > 0), (x,), (x,))
    assert y[1].item() == 2
    assert [z.dtype for z in t] == [np.float64, np.int64, np.bool_]
    assert not t[1].item()
    _, pull = vjp(lambda q: (q * 2, q.argmax()), x)
    close(pull((x, ag.tensor(1))), (f64(2 * X),))
    with pytest.raises(RuntimeError, match="only float32 and float64"):
        grad(lambda k: k.sum())(i)


def test_dtypes() -> None:
    x = ag.tensor(X, dtype=ag.float32)
    assert grad(lambda q: (q * f64(X)).sum())(x).dtype == np.float32
    y, t = jvp(lambda q: q * f64(X) + q.double(), (x,), (x,))
    assert (y.dtype, t.dtype) == (np.float64, np.float64)
    assert jacrev(lambda q: q.double())(x).dtype == np.float32


def test_empty() -> None:
    x = ag.zeros(0, 3)
    assert grad(lambda q: q.sum())(x).shape == (0, 3)
    assert jacrev(lambda q: q * 2)(x).shape == (0, 3, 0, 3)
    assert jacfwd(lambda q: q * 2)(x).shape == (0, 3, 0, 3)
    assert jacrev(lambda q: q.sum(0))(x).shape == (3, 0, 3)


def test_an_error_in_the_function_leaves_everything_usable() -> None:
    def fail(x: Any) -> Any:
        raise KeyError("mine")

    for transform in (grad(fail), vmap(fail), jacrev(fail), jacfwd(fail), hessian(fail)):
        with pytest.raises(KeyError, match="mine"):
            transform(f64(X))
    with pytest.raises(KeyError):
        jvp(lambda x: vmap(fail)(x), (f64(X),), (f64(X),))
    close(hessian(lambda q: (q**3).sum())(f64(X)), f64(np.diag(6 * X)))


def test_tensors_that_leave_their_transform() -> None:
    left = []
    jvp(lambda x: left.append(x) or x, (f64(X),), (f64(X),))
    with pytest.raises(RuntimeError, match="a call of jvp that is over"):
        left[0] * 2


def test_names_and_keywords_are_kept() -> None:
    def loss(x: Any, *, scale: float) -> Any:
        """Mine."""
        return (x * scale).sum()

    assert grad(loss).__name__ == "loss"
    close(grad(loss)(f64(X), scale=3.0), f64([3.0] * 3))
    close(jacfwd(loss)(f64(X), scale=3.0), f64([3.0] * 3))
    close(value_and_grad(loss)(f64(X), scale=3.0), (f64(3 * X.sum()), f64([3.0] * 3)))
    value, grads = value_and_grad(lambda x: (x.sum(), x), has_aux=True)(f64(X))
    close((value, grads), ((f64(X.sum()), f64(X)), f64([1.0] * 3)))


@pytest.mark.parametrize(("run", "message"), [
    (lambda x: grad(lambda q: q)(x), r"return a scalar, got shape \(3,\)"),
    (lambda x: grad(lambda q: 3.0)(x), "return a tensor, got float"),
    (lambda x: grad(lambda q: q.sum(), argnums=1)(x), "argnums 1 of a call with 1 positional"),
    (lambda x: grad(lambda q: q.sum(), argnums="x")(x), "an integer or a tuple"),
    (lambda x: grad(lambda q, r: q.sum(), argnums=(0, -2))(x, x), "names an argument twice"),
    (lambda x: grad(lambda q: q.sum(), has_aux=True)(x), r"\(output, aux\), got Tensor"),
    (lambda x: vjp(lambda q: (q, 1), x), "return tensors, got int"),
    (lambda x: vjp(lambda q: (q, q), x)[1](x), "cotangents in the structure of the output"),
    (lambda x: vjp(lambda q: q, x)[1](x[:2]), r"cotangent of shape \(3,\), got \(2,\)"),
    (lambda x: jvp(lambda q: q, x, x), "as tuples that are not empty, got Tensor"),
    (lambda x: jvp(lambda q: q, (x,), (x, x)), "tangents in the structure of the primals"),
    (lambda x: jvp(lambda q: q, (x,), (x[:2],)), r"tangent of shape \(2,\) for a primal of"),
    (lambda x: jvp(lambda q: x, (x,), (x,), strict=True), "does not depend on the primals"),
    (lambda x: jvp(lambda q: q, (x.long(),), (x,)), "only floating point primals"),
    (lambda x: jvp(lambda q: q.add_(1), (x,), (x,)), "jvp: .* changed in place"),
    (lambda x: jvp(lambda q: q.requires_grad_(), (x,), (x,)), "requires_grad_"),
])  # fmt: skip
def test_errors(run: Callable[..., Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        run(f64(X))


def test_only_tensors_are_differentiated() -> None:
    with pytest.raises(ValueError, match="expected tensors as inputs, got float"):
        grad(lambda q: q)(3.0)
