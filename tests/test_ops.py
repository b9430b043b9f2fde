"""Every row of cases.py through the same checks."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from case import Case, as_draw
from cases import CASES

import pyautograd as ag
from pyautograd import _C
from pyautograd.autograd import gradcheck, gradgradcheck
from pyautograd.op import OPS, Op
from pyautograd.tensor import Tensor
from pyautograd.watch import watch_ops

FLOATS = (np.float32, np.float64)
SMOOTH = [case for case in CASES if case.smooth]
LARGE = [case for case in CASES if case.large is not None]


class Space:
    """Functions by name, from the first of the modules that has it."""

    def __init__(self, *modules: Any) -> None:
        self._modules = modules

    def __getattr__(self, name: str) -> Any:
        for module in self._modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)


K = Space(ag, ag.nn.functional)


def rows(cases: Sequence[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=str)


# ---- running a row -------------------------------------------------------------------------------


def draw(case: Case, rng: np.random.Generator, large: bool = False) -> list[Any]:
    return [as_draw(spec)(rng) for spec in (case.large if large else case.inputs) or ()]


def cast(arrays: list[Any], dtype: Any) -> list[Any]:
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]


def leaves(case: Case, arrays: list[Any], order: int = 0) -> list[Tensor]:
    """Tensors on the very arrays; those that have a gradient require it, for an `order` above 0."""
    tensors = [ag.from_numpy(a) for a in arrays]
    if order:
        for tensor, spec in zip(tensors, case.inputs, strict=True):
            tensor.requires_grad_(as_draw(spec).grad)
    return tensors


def listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def weights(outputs: list[Any]) -> list[Any]:
    """What to multiply the outputs by before they are summed: fixed numbers, no two alike."""
    return [np.asarray(np.cos(1.0 + 0.7 * np.arange(y.size)).reshape(y.shape)) for y in outputs]


def value(tensor: Any) -> Any:
    return tensor.detach().numpy(force=True)


def gradients(case: Case, arrays: list[Any], order: int = 1) -> list[list[Any]]:
    """First (and second) gradients: of the outputs weighted and summed, by the inputs."""
    if not order or case.order < order:
        return []
    inputs = leaves(case, arrays, order)
    outputs = [y for y in listed(case.run(K, *inputs)) if y.requires_grad]
    vs = [
        ag.from_numpy(v.astype(y.dtype))
        for v, y in zip(weights(shaped(outputs)), outputs, strict=True)
    ]
    wanted = [x for x in inputs if x.requires_grad]
    if order == 2:
        for v in vs:
            v.requires_grad_()
    first = ag.autograd.grad(
        outputs, wanted, vs, create_graph=order == 2, allow_unused=True, materialize_grads=True
    )
    found = [[value(g) for g in first]]
    if order == 2:
        again = [g for g in first if g.requires_grad]
        us = [
            ag.from_numpy(u.astype(g.dtype))
            for u, g in zip(weights(shaped(again)), again, strict=True)
        ]
        second = (
            ag.autograd.grad(again, [*wanted, *vs], us, materialize_grads=True, allow_unused=True)
            if again
            else []
        )
        found.append([value(g) for g in second])
    return found


def flat(lists: list[list[Any]]) -> list[Any]:
    return [item for inner in lists for item in inner]


def shaped(tensors: list[Any]) -> list[Any]:
    return [np.empty(tuple(t.shape), bool) for t in tensors]


def compare(got: list[Any], want: list[Any], dtype: Any = np.float64, exact: bool = False) -> None:
    """Shapes and dtypes agree, and values within the digits of `dtype`."""
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        w = np.asarray(w)
        assert g.shape == w.shape
        assert g.dtype.kind == w.dtype.kind
        if exact or w.dtype.kind != "f":
            np.testing.assert_array_equal(g, w)
            continue
        finite = np.abs(w[np.isfinite(w)])
        unit = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}[np.dtype(dtype)]
        atol = unit * max(1.0, finite.max(initial=0.0))
        np.testing.assert_allclose(g, w, rtol=4 * unit, atol=atol)


@contextlib.contextmanager
def isa(name: str) -> Iterator[None]:
    before = _C.isa()
    _C.select_isa(name)
    try:
        yield
    finally:
        _C.select_isa(before)


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    before = ag.get_num_threads()
    ag.set_num_threads(n)
    try:
        yield
    finally:
        ag.set_num_threads(before)


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS, ids=["float32", "float64"])
@rows(CASES)
def test_forward(case: Case, dtype: Any, rng: np.random.Generator) -> None:
    """Against the reference, on every instruction set; inputs stay as they were."""
    arrays = draw(case, rng)
    with np.errstate(all="ignore"):
        want = listed(case.reference(*arrays))
    given = cast(arrays, dtype)
    copies = [a.copy() for a in given]
    for name in _C.available_isas():
        with isa(name):
            outputs = listed(case.run(K, *leaves(case, given)))
        compare([value(y) for y in outputs], want, dtype)
        for y in outputs:
            assert not y.requires_grad
            if y.dtype.kind == "f" and arrays and case.name != "cast":
                assert y.dtype == dtype
    compare(given, copies, exact=True)


@rows(CASES)
def test_gradients_in_float32(case: Case, rng: np.random.Generator) -> None:
    """On every instruction set, against float64; the inputs stay as they were."""
    arrays = draw(case, rng)
    given = cast(arrays, np.float32)
    copies = [a.copy() for a in given]
    want = gradients(case, cast(given, np.float64))
    for name in _C.available_isas():
        with isa(name):
            got = gradients(case, given)
        for g, w in zip(got, want, strict=True):
            compare(g, w, np.float32)
            assert all(a.dtype == np.float32 for a in g)
    compare(given, copies, exact=True)


@rows(LARGE)
def test_large(case: Case, rng: np.random.Generator) -> None:
    """Sizes that are split among threads: right, and the same bits for any number of threads."""
    arrays = draw(case, rng, large=True)
    want = listed(case.reference(*arrays))
    for dtype, name in ((np.float64, _C.isa()), *((np.float32, n) for n in _C.available_isas())):
        given = cast(arrays, dtype)
        results = []
        for n in (1, 2, 3, 4, 8):
            with isa(name), threads(n):
                outputs = [value(y) for y in listed(case.run(K, *leaves(case, given)))]
                results.append([*outputs, *flat(gradients(case, given))])
        compare(results[0][: len(want)], want, dtype)
        for other in results[1:]:
            compare(results[0], other, exact=True)


@rows([case for case in CASES if case.large is None])
def test_threads_change_nothing(case: Case, rng: np.random.Generator) -> None:
    """As test_large does, for the rows that have no large inputs."""
    given = cast(draw(case, rng), np.float32)
    results = []
    for n in (1, 2, 3, 4, 8):
        ag.manual_seed(0)
        with threads(n):
            outputs = [value(y) for y in listed(case.run(K, *leaves(case, given)))]
            results.append([*outputs, *(flat(gradients(case, given)) if case.order else [])])
    for other in results[1:]:
        compare(results[0], other, exact=True)


# ---- gradients -----------------------------------------------------------------------------------


def differentiable(case: Case) -> Callable[..., Any]:
    return lambda *xs: tuple([y for y in listed(case.run(K, *xs)) if y.requires_grad])


@rows([case for case in SMOOTH if case.order >= 1])
def test_gradcheck(case: Case, rng: np.random.Generator) -> None:
    inputs = leaves(case, draw(case, rng), order=1)
    assert gradcheck(differentiable(case), inputs, atol=1e-6, rtol=1e-5)


@rows([case for case in SMOOTH if case.order >= 2])
def test_gradgradcheck(case: Case, rng: np.random.Generator) -> None:
    inputs = leaves(case, draw(case, rng), order=2)
    assert gradgradcheck(
        differentiable(case),
        inputs,
        atol=1e-6,
        rtol=1e-5,
        gen_non_contig_grad_outputs=True,
    )


@rows([case for case in CASES if case.order >= 1])
def test_both_spaces_agree(case: Case, rng: np.random.Generator) -> None:
    """Rules on arrays give to the bit what they give on tensors, recorded."""
    arrays = draw(case, rng)
    if case.order == 2:
        (plain,), (recorded, _) = gradients(case, arrays), gradients(case, arrays, order=2)
        compare(plain, recorded, exact=True)


# ---- memory layouts ------------------------------------------------------------------------------


def every_other(a: Any) -> Any:
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), 77, a.dtype) if a.ndim else a
    return wide if not a.ndim else _filled(wide[..., ::2], a)


def _filled(view: Any, values: Any) -> Any:
    view[...] = values
    return view


LAYOUTS = {
    "every other": every_other,
    "transposed": lambda a: a.T.copy().T,
    "reversed": lambda a: np.asarray(np.flip(np.flip(a).copy())),
    "read-only": lambda a: _filled(np.empty_like(a), a),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@rows([case for case in CASES if case.inputs])
def test_layout(case: Case, layout: str, rng: np.random.Generator) -> None:
    """Strides change nothing: not the values, not the gradients."""
    arrays = draw(case, rng)
    strided = [LAYOUTS[layout](a) for a in arrays]
    if layout == "read-only":
        for a in strided:
            a.flags.writeable = False
    outputs, want = (
        [value(y) for y in listed(case.run(K, *leaves(case, given)))] for given in (strided, arrays)
    )
    compare(outputs, want, exact=True)
    compare(flat(gradients(case, strided)), flat(gradients(case, arrays)), exact=True)
    compare(strided, arrays, exact=True)


@rows([case for case in CASES if any(as_draw(spec).shape for spec in case.inputs)])
def test_expanded(case: Case, rng: np.random.Generator) -> None:
    """Inputs with stride 0 are as good as their copies."""
    arrays = [
        np.broadcast_to(a[:1], a.shape) if a.dtype.kind == "f" and a.ndim and len(a) else a
        for a in draw(case, rng)
    ]
    copies = [a.copy() for a in arrays]
    outputs, want = (
        [value(y) for y in listed(case.run(K, *leaves(case, given)))] for given in (arrays, copies)
    )
    compare(outputs, want, exact=True)
    compare(flat(gradients(case, arrays)), flat(gradients(case, copies)), exact=True)


# ---- the record of an op -------------------------------------------------------------------------


INFERRED: set[str] = set()


@pytest.fixture
def inferring() -> Iterator[None]:
    """Checks each call of a forward, while the test runs, against the op's shape rule."""

    def check(op: Op, args: Any, run: Callable[[], Any]) -> Any:
        result = run()
        first = result[0] if type(result) is tuple else result
        shape, dtype = op.infer(*args)
        assert (tuple(shape), np.dtype(dtype)) == (first.shape, first.dtype), op
        INFERRED.add(op.name)
        return result

    with watch_ops(check):
        yield


@pytest.mark.parametrize("dtype", FLOATS, ids=["float32", "float64"])
@rows(CASES)
def test_infer(case: Case, dtype: Any, rng: np.random.Generator, inferring: None) -> None:
    """Op.infer foretells the shape and dtype of each call, those of the gradients included."""
    arrays = cast(draw(case, rng), dtype)
    case.run(K, *leaves(case, arrays))
    gradients(case, arrays, case.order)


def test_every_op_is_in_the_table(inferring: None, rng: np.random.Generator) -> None:
    for case in CASES:
        arrays = draw(case, rng)
        case.run(K, *leaves(case, arrays))
        gradients(case, arrays, case.order)
    assert set(OPS) - INFERRED == {"normalize_as"}  # see test_recompute.py


# ---- PyTorch -------------------------------------------------------------------------------------


@rows([case for case in CASES if case.torch])
def test_pytorch(case: Case, rng: np.random.Generator) -> None:
    """Values, first and second gradients agree with PyTorch's."""
    torch = pytest.importorskip("torch")
    theirs = Space(torch.nn.functional, torch)
    arrays = draw(case, np.random.default_rng([*case.name.encode(), 7]))
    inputs = [torch.tensor(a) for a in arrays]
    for tensor, spec in zip(inputs, case.inputs, strict=True):
        tensor.requires_grad_(as_draw(spec).grad and case.order > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs = listed(case.run(theirs, *inputs))
    ours = [value(y) for y in listed(case.run(K, *leaves(case, arrays)))]
    compare(ours, [value(y) for y in outputs])
    if not case.order:
        return
    outputs = [y for y in outputs if y.requires_grad]
    wanted = [x for x in inputs if x.requires_grad]
    vs = [torch.tensor(v).requires_grad_() for v in weights(shaped(outputs))]
    first = torch.autograd.grad(
        outputs, wanted, vs, create_graph=True, allow_unused=True, materialize_grads=True
    )
    found = gradients(case, arrays, case.order)
    compare(found[0], [value(g) for g in first])
    again = [g for g in first if g.requires_grad]
    if case.order == 2 and again:
        us = [torch.tensor(u) for u in weights(shaped(again))]
        second = torch.autograd.grad(
            again, [*wanted, *vs], us, allow_unused=True, materialize_grads=True
        )
        if len(found[1]) == len(second):
            compare(found[1], [value(g) for g in second])
