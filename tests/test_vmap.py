"""vmap: every op against the loop over the batch; in_dims, out_dims, random numbers, errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from case import Case
from cases import CASES
from test_ops import K, draw, listed, rows, value
from twins import close, twins

import pyautograd as ag
from pyautograd.func import batch_call, batch_rules, functional_call, grad, jvp, vjp
from pyautograd.op import OPS, primitive

RNG = np.random.default_rng(5)
A = RNG.standard_normal((3, 4))
B = RNG.standard_normal((3, 4, 2))


def f64(values: Any) -> ag.Tensor:
    return ag.tensor(np.asarray(values, np.float64))


# ---- every op ------------------------------------------------------------------------------------

# What depends on values in Python: how many elements a mask takes, and changes in place.
DEPENDS = ("mask ", "mask", "masked_select", "masked_select row", "mask rows", "mask columns",
           "mask of itself", "mask after ...")  # fmt: skip
BATCHED = [
    case
    for case in CASES
    if case.inputs
    and case.name not in DEPENDS
    and not case.name.startswith(("in place", "nll_loss", "cross_entropy"))
]


def patterns(count: int) -> list[tuple[bool, ...]]:
    """Which of the inputs are batched: each alone, all but each, all."""
    alone = [tuple(i == j for j in range(count)) for i in range(count)]
    without = [tuple(not b for b in mapped) for mapped in alone if count > 2]
    return list(dict.fromkeys([*alone, *without, (True,) * count]))


@rows(BATCHED)
def test_every_op(case: Case, rng: np.random.Generator) -> None:
    """vmap of the row is the row for each example, without a loop: nothing warns."""
    size = 3
    draws = [draw(case, rng) for _ in range(size)]
    for mapped in patterns(len(case.inputs)):
        args = [
            ag.from_numpy(np.stack([d[i] for d in draws]) if m else draws[0][i])
            for i, m in enumerate(mapped)
        ]
        run = ag.vmap(
            lambda *xs: tuple(listed(case.run(K, *xs))), tuple([0 if m else None for m in mapped])
        )
        with np.errstate(all="ignore"):
            outputs = run(*args)
            each = [
                listed(case.run(K, *[x[b] if m else x for x, m in zip(args, mapped, strict=True)]))
                for b in range(size)
            ]
        for k, y in enumerate(outputs):
            want = np.stack([value(results[k]) for results in each])
            assert (y.shape, y.dtype) == (want.shape, want.dtype)
            np.testing.assert_allclose(value(y), want, rtol=1e-9, atol=1e-11)


@rows([case for case in BATCHED if case.order == 2 and case.smooth])
def test_every_rule(case: Case, rng: np.random.Generator) -> None:
    """The ops of gradient rules too: per-example gradients, by a batch of cotangents as well."""
    draws = [draw(case, rng) for _ in range(2)]
    floats = [i for i, a in enumerate(draws[0]) if a.dtype.kind == "f"]
    batches = [ag.from_numpy(np.stack([d[i] for d in draws])) for i in range(len(draws[0]))]

    def gradients(*xs: Any) -> Any:
        def run(*given: Any) -> Any:
            full = list(xs)
            for i, x in zip(floats, given, strict=True):
                full[i] = x
            return tuple([y for y in listed(case.run(K, *full)) if y.is_floating_point()])

        outputs, pull = vjp(run, *[xs[i] for i in floats])
        return pull(tuple([(y * 0.5).sin() if hasattr(y, "sin") else y * 0.5 + 1 for y in outputs]))

    each = [gradients(*[x[b] for x in batches]) for b in range(2)]
    for k, g in enumerate(ag.vmap(gradients)(*batches)):
        want = np.stack([value(one[k]) for one in each])
        np.testing.assert_allclose(value(g), want, rtol=1e-8, atol=1e-10)


# ---- the same as PyTorch's -----------------------------------------------------------------------

PROGRAMS: dict[str, Callable[..., Any]] = {
    "dot": lambda T, a, b: T.vmap(T.dot)(a, a),
    "in_dims": lambda T, a, b: T.vmap(lambda x, y: x * y.sum(), in_dims=(1, 2))(
        a[:, :2], b
    ),
    "negative in_dims": lambda T, a, b: T.vmap(lambda x: x.sum(0), in_dims=-1)(b),
    "not batched": lambda T, a, b: T.vmap(lambda x, y: x @ y, in_dims=(0, None))(a, b[0]),
    "numbers": lambda T, a, b: T.vmap(lambda x, n: x * n, in_dims=(0, None))(a, 3.0),
    "out_dims": lambda T, a, b: T.vmap(lambda x: (x, x.sum()), out_dims=(1, 0))(a),
    "negative out_dims": lambda T, a, b: T.vmap(lambda x: x, out_dims=-1)(b),
    "one out_dim for all": lambda T, a, b: T.vmap(lambda x: [x, {"a": x * 2}], out_dims=1)(a),
    "trees": lambda T, a, b: T.vmap(
        lambda p, q: {"sum": p["x"] + q[0], "rest": (q[1] * 2,)},
        in_dims=({"x": 0}, (0, None)),
    )({"x": a}, (a * 2, b)),
    "one in_dim for a tree": lambda T, a, b: T.vmap(lambda p: p[0] @ p[1])((a, b)),
    "keywords": lambda T, a, b: T.vmap(lambda x, y: x @ y)(a, y=b[1]),
    "constants returned": lambda T, a, b: T.vmap(lambda x: (x, b))(a),
    "nested": lambda T, a, b: T.vmap(T.vmap(lambda x, y: x * y, (0, None)), (None, 0))(a[0], a[1]),
    "nested dims": lambda T, a, b: T.vmap(T.vmap(lambda x: x.cumsum(0) if False else x * 2, 1, 1),
                                          2, 2)(b),
    "three deep": lambda T, a, b: T.vmap(T.vmap(T.vmap(lambda x: T.exp(x))))(b),
    "matrix product": lambda T, a, b: T.vmap(lambda x, y: x @ y)(a, b),
    "broadcast": lambda T, a, b: T.vmap(lambda x, y: x + y)(a[:, 0], b),
    "promotion": lambda T, a, b: T.vmap(lambda x, y: x * y)(a[:, 0], (b * 4).long().float()),
    "where": lambda T, a, b: T.vmap(lambda x: T.where(x > 0, x, -x))(a),
    "index by examples": lambda T, a, b: T.vmap(lambda x, i: x[i])(
        b, T.tensor([[0, 2], [1, 1], [3, 0]])
    ),
    "index with slices": lambda T, a, b: T.vmap(lambda x, i: x[1:, i])(
        b, T.tensor([[0, 1, 1], [1, 1, 0], [0, 0, 0]])
    ),
    "index of a table": lambda T, a, b: T.vmap(lambda i: a[i])(T.tensor([[0, 2], [1, 1]])),
    "index by one number": lambda T, a, b: T.vmap(lambda x, i: x[i])(a, T.tensor([0, 3, 2])),
    "chunks": lambda T, a, b: T.vmap(lambda x: x.sum(0), chunk_size=2)(b),
    "chunks of several": lambda T, a, b: T.vmap(
        lambda x, y: (x, y.sum()), in_dims=(0, 1), out_dims=(1, 0), chunk_size=1
    )(a, a.t()),
    "reductions": lambda T, a, b: T.vmap(
        lambda x: (x.sum(), x.mean(0), x.std(1), x.amax((0, 1)), x.max(0)[0], x.argmax(), x.prod(0))
    )(b),
    "convolution": lambda T, a, b: T.vmap(
        lambda x, w: T.nn.functional.conv2d(x.reshape(1, 1, 4, 2), w[:1].reshape(1, 1, 2, 1))
    )(b, a[:, :2].unsqueeze(1)),
    "norms": lambda T, a, b: T.vmap(
        lambda x: T.nn.functional.batch_norm(x, None, None, training=True)
    )(b),
    "empty batch": lambda T, a, b: T.vmap(lambda x: (x.exp() @ b[0]).sum(0))(a[:0].unsqueeze(1)),
    "batch of one": lambda T, a, b: T.vmap(lambda x: x @ b[0])(a[:1]),
    "Jacobian by rows": lambda T, a, b: T.vmap(
        T.func.vjp(lambda x: T.tanh(x @ b[0]), a[0])[1]
    )(T.eye(2, dtype=a.dtype))[0],
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name: str) -> None:
    twins(PROGRAMS[name], A, B)


def test_dtype_beside_a_scalar_of_a_batch() -> None:
    """Per example it is 0-d, and does not raise the dtype of the others."""
    x, n = ag.ones(3, 2), f64([1.0, 2.0, 3.0])
    assert ag.vmap(lambda x, n: x * n)(x, n).dtype == np.float32
    assert ag.vmap(lambda x, n: x * n.reshape(1))(x, n).dtype == np.float64


def test_the_tape_goes_through() -> None:
    def program(T: Any, a: Any, b: Any) -> Any:
        a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
        y = T.vmap(lambda x, w: T.tanh(x @ w).sum() * a.sum())(a, b)
        (y**2).sum().backward()
        return y, a.grad, b.grad

    twins(program, A, B)


# ---- random numbers ------------------------------------------------------------------------------


def test_randomness() -> None:
    x = ag.zeros(50, 4)
    for f in (
        lambda x: x + ag.rand(4),
        lambda x: x + ag.randn_like(x),
        lambda x: ag.dropout(x + 1),
        lambda x: x + ag.randint(0, 100, (4,)),
        lambda x: x + ag.randperm(4),
    ):
        with pytest.raises(RuntimeError, match="randomness='different'"):
            ag.vmap(f)(x)
        different = ag.vmap(f, randomness="different")(x).numpy()
        same = ag.vmap(f, randomness="same")(x).numpy()
        assert (same == same[0]).all()
        assert not (different == different[0]).all()
        assert different.shape == (50, 4)
    p = ag.vmap(lambda x: x + ag.randperm(4), randomness="different")(x).numpy()
    assert (np.sort(p) == np.arange(4)).all()
    nested = ag.vmap(ag.vmap(lambda x: x + ag.rand(), randomness="same"), randomness="different")(
        x
    ).numpy()
    assert (nested == nested[:, :1]).all()
    assert not (nested == nested[0]).all()
    ag.manual_seed(3)
    first = ag.vmap(lambda x: ag.dropout(x + 1), randomness="different")(x)
    ag.manual_seed(3)
    np.testing.assert_array_equal(first.numpy(), ag.dropout(x + 1).numpy())


# ---- errors --------------------------------------------------------------------------------------


def branch(x: Any) -> Any:
    return x if x.sum() > 0 else -x


CAPTURED = ag.zeros(4, dtype=ag.float64)


@pytest.mark.parametrize(("run", "message"), [
    (lambda x: ag.vmap(branch)(x), r"vmap: .* one of a batch of 3\): no branches .* use where\(\)"),
    (lambda x: ag.vmap(lambda r: r.sum().item())(x), "no item"),
    (lambda x: ag.vmap(lambda r: r.numpy())(x), "numpy"),
    (lambda x: ag.vmap(lambda r: float(r[0]))(x), "vmap"),
    (lambda x: ag.vmap(lambda r: list(range(r.argmax())))(x), "vmap"),
    (lambda x: ag.vmap(lambda r: CAPTURED.add_(r))(x), "no changes of tensors in place"),
    (lambda x: ag.vmap(lambda r: CAPTURED.copy_(r))(x), "no changes of tensors in place"),
    (lambda x: ag.vmap(lambda r: CAPTURED.__setitem__(0, r[0]))(x), "changes of tensors in place"),
    (lambda x: ag.vmap(lambda r: r.mul_(2))(x), "no changes of tensors in place"),
    (lambda x: ag.vmap(lambda r: r.requires_grad_())(x), "requires_grad_"),
    (lambda x: ag.vmap(lambda r: r, randomness="any")(x), "randomness is"),
])  # fmt: skip
def test_what_python_cannot_do(run: Callable[..., Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        run(f64(A))
    assert CAPTURED.tolist() == [0] * 4


@pytest.mark.parametrize(("run", "message"), [
    (lambda x: ag.vmap(lambda p, q: p)(x, x.t()), "batch sizes of the arguments differ: 3, 4"),
    (lambda x: ag.vmap(lambda p: p, in_dims=None)(x), "no argument is batched"),
    (lambda x: ag.vmap(lambda p: p, in_dims=(0, 0))(x), "do not fit the arguments"),
    (lambda x: ag.vmap(lambda p: p, in_dims="0")(x), "do not fit the arguments"),
    (lambda x: ag.vmap(lambda p: p, in_dims=2)(x), r"shape \(3, 4\), which has no such dimension"),
    (lambda x: ag.vmap(lambda p, q: p)(x, 2.0), "use None for it"),
    (lambda x: ag.vmap(lambda p: p)(x.sum()), "no such dimension"),
    (lambda x: ag.vmap(lambda: x)(), "at least one positional argument"),
    (lambda x: ag.vmap(lambda p: 1.0)(x), "return tensors, got float"),
    (lambda x: ag.vmap(lambda p: p, out_dims=None)(x), "None for an output that is batched"),
    (lambda x: ag.vmap(lambda p: p, out_dims=(0, 0))(x), "do not fit the outputs"),
    (lambda x: ag.vmap(lambda p: p, out_dims=2)(x), "out_dims has 2 for an output of shape"),
    (lambda x: ag.vmap(lambda p: p, chunk_size=0)(x), "chunk_size"),
    (lambda x: ag.vmap(lambda p: p @ p[:2])(x), "do not multiply"),
])  # fmt: skip
def test_wrong_arguments(run: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(f64(A))


def in_place(T: Any, a: Any, b: Any) -> Any:
    """A function with changes in place of its own tensors, differentiated by a batch of rows."""

    def f(x: Any) -> Any:
        y = x * 2
        y[1:3] = x[:2] ** 2
        y[0].mul_(x[1])
        z = y.reshape(2, 2).t()
        z += 1
        z[1].mul_(x[0])
        return y

    return T.func.jacrev(f)(a[0]), T.func.jacrev(lambda x: f(x) * b[0, :, 0])(a[1])


def test_jacobian_of_changes_in_place() -> None:
    twins(in_place, A, B)


def test_masks() -> None:
    with pytest.raises(IndexError, match=r"how many elements a mask takes .* use where\(\)"):
        ag.vmap(lambda x: x[x > 0])(f64(A))


def test_a_tensor_that_leaves() -> None:
    left = []
    ag.vmap(lambda x: left.append(x) or x)(f64(A))
    with pytest.raises(RuntimeError, match="call of vmap that is over"):
        left[0] + 1
    assert "Batched(level=1, batch=3" in repr(left[0])
    assert "Batched" in f"{left[0]}"


# ---- ops without a rule --------------------------------------------------------------------------


@pytest.fixture
def unknown() -> Any:
    run = primitive(
        "unknown",
        "other",
        lambda x, y, n: (np.cumsum(x, 0) * y * n, np.argsort(x, 0)),
        lambda K, g, saved, needs, n: (None, None),
        lambda x, y, n: (x.shape, x.dtype),
        inputs=2,
    )
    yield run
    del OPS["unknown"]
    batch_call._noted.discard("unknown")


def test_an_op_without_a_rule_runs_in_a_loop(unknown: Any) -> None:
    x, y = f64(A), f64(2.0)
    with pytest.warns(UserWarning, match="unknown has no batching rule"):
        found, order = ag.vmap(lambda r: unknown(r, y, 3))(x)
    np.testing.assert_allclose(found.numpy(), np.cumsum(A, 1) * 6)
    np.testing.assert_array_equal(order.numpy(), np.argsort(A, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # noted once
        found, order = ag.vmap(lambda r: unknown(r, y, 3))(x[:0])
    assert (found.shape, order.shape) == ((0, 4), (0, 4))
    assert order.dtype == np.int64


def test_every_op_has_a_rule() -> None:
    kinds = batch_rules._KINDS
    without = {
        name for name, op in OPS.items() if name not in batch_rules.RULES and op.kind not in kinds
    }
    assert without == {"normalize_as"}  # made by a pass over static graphs alone


# ---- modules -------------------------------------------------------------------------------------


def small_net(T: Any) -> Any:
    net = T.nn.Sequential(
        T.nn.Conv2d(1, 2, 3, padding=1), T.nn.ReLU(), T.nn.MaxPool2d(2), T.nn.Flatten(),
        T.nn.Linear(8, 3),
    )  # fmt: skip
    for i, p in enumerate(net.parameters()):
        p.data = T.tensor(np.sin(1.0 + i + np.arange(p.numel())).reshape(tuple(p.shape)))
    return net


def per_example(T: Any, x: Any) -> Any:
    net = small_net(T)
    params = {name: p.detach() for name, p in net.named_parameters()}

    def loss(params: Any, image: Any, target: Any) -> Any:
        out = T.func.functional_call(net, params, (image.unsqueeze(0),))
        return -(T.nn.functional.log_softmax(out, 1)[0] * target).sum()

    targets = T.eye(3, dtype=x.dtype)
    return T.vmap(T.func.grad(loss), in_dims=(None, 0, 0))(params, x, targets)


def test_per_example_gradients_of_a_convolutional_net() -> None:
    twins(per_example, np.random.default_rng(1).standard_normal((3, 1, 4, 4)))


def negative_log_likelihoods(T: Any, x: Any) -> Any:
    """Classes that are batched: some ignored, weighted or not, reduced in each way."""
    classes, weight = T.tensor([[0, 2, 1], [3, 1, 1], [2, 2, 2]]), T.tensor([0.5, 1.0, 2.0, 3.0])

    def losses(x: Any, c: Any) -> Any:
        x = T.log_softmax(T.stack([x, x * 2, x - x * x]), 1)
        F, w = T.nn.functional, weight.to(x.dtype)
        return (
            F.nll_loss(x, c), F.nll_loss(x, c, w, reduction="sum"), F.nll_loss(x, c, w),
            F.nll_loss(x, c, ignore_index=1, reduction="none"), F.nll_loss(x[0], c[0]),
        )  # fmt: skip

    run = T.vmap(lambda x, c: losses(x, c))
    grads = T.func.jacrev(lambda x, c: losses(x, c)[2])
    return run(x, classes), T.vmap(grads)(x, classes)


def test_classes_of_a_batch() -> None:
    twins(negative_log_likelihoods, np.random.default_rng(0).standard_normal((3, 4)))
    with pytest.raises(IndexError):
        ag.vmap(lambda c: ag.nn.functional.nll_loss(ag.zeros(1, 3), c))(ag.tensor([[5], [0]]))


def test_per_example_gradients_are_those_of_a_loop() -> None:
    net = small_net(ag)
    params = {name: p.detach() for name, p in net.named_parameters()}
    x = f64(np.random.default_rng(1).standard_normal((5, 1, 4, 4)))

    def loss(params: Any, image: Any) -> Any:
        return functional_call(net, params, (image.unsqueeze(0),)).tanh().sum()

    each = [grad(loss)(params, image) for image in x]
    found = ag.vmap(grad(loss), (None, 0))(params, x)
    for name in params:
        close(found[name], ag.stack([one[name] for one in each]))


def test_directional_derivatives_of_a_batch() -> None:
    def program(T: Any, a: Any, b: Any) -> Any:
        run = lambda x: T.tanh(x @ b[0]).prod()  # noqa: E731
        return T.vmap(lambda x, v: T.func.jvp(run, (x,), (v,)))(a, a + 1)

    twins(program, A, B)
    assert jvp is ag.func.jvp
