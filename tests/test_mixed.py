"""Element-wise ops whose operands and results differ in dtype: tests, choices and casts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C, nn
from pyautograd.tensor import Tensor

DTYPES = [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]
COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}  # fmt: skip
TESTS = {"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite}
rng = np.random.default_rng(5)


@pytest.fixture(params=_C.available_isas(), autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _C.isa()
    _C.select_isa(request.param)
    yield request.param
    _C.select_isa(before)


def values(shape: tuple[int, ...], dtype: Any) -> Any:
    """Small numbers, so that many are equal; of floats, NaN, infinities and zeros of both signs."""
    x = np.asarray(rng.integers(-3, 4, shape))
    if np.dtype(dtype).kind != "f":
        small = x % 2 if dtype is np.bool_ else np.abs(x) if dtype is np.uint8 else x
        return np.asarray(small).astype(dtype)
    odd = rng.choice([np.nan, np.inf, -np.inf, -0.0, 1e-40], shape)
    return np.asarray(np.where(rng.random(shape) < 0.2, odd, x / 2)).astype(dtype)


def layouts(dtype: Any) -> list[tuple[Any, Any]]:
    """Pairs of one shape or broadcast: contiguous, turned, strided, reversed, empty, large."""
    square = values((70, 70), dtype)
    return [
        (values((), dtype), values((1,), dtype)),
        (values((0, 3), dtype), values((1, 3), dtype)),
        (values((197,), dtype), values((197,), dtype)),
        (values((5, 40), dtype), values((40,), dtype)),
        (values((40, 1), dtype), values((1, 33), dtype)),
        (square, square.T),
        (square[::2, 1::3], square[::-2, :-1:3]),
        (values((3, 40000), dtype), values((3, 1), dtype)),
    ]


def check(got: Any, want: Any) -> None:
    got = got.numpy()
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_array_equal(got, want)


# ---- tests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_comparison(name: str, dtype: Any) -> None:
    for a, b in layouts(dtype):
        check(getattr(ag, name)(ag.from_numpy(a), ag.from_numpy(b)), COMPARISONS[name](a, b))


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_of_one_operand(name: str, dtype: Any) -> None:
    for x, _ in layouts(dtype):
        check(getattr(ag, name)(ag.from_numpy(x)), TESTS[name](x))
        check(ag.logical_not(ag.from_numpy(x)), np.logical_not(x))


@pytest.mark.parametrize(("left", "right"), [*itertools.permutations(DTYPES, 2)])
def test_comparison_of_two_dtypes(left: Any, right: Any) -> None:
    for a, b in zip(layouts(left), layouts(right), strict=True):
        for x, y in ((a[0], b[1]), (a[1], b[0])):
            check(ag.from_numpy(x) < ag.from_numpy(y), x < y)
            check(ag.from_numpy(x) == ag.from_numpy(y), x == y)


def test_dtypes_that_hold_both_operands_are_compared() -> None:
    large = 2**24 + 1  # no float32
    assert not (ag.tensor([large]) == ag.tensor([float(2**24)])).item()
    assert not (ag.tensor([large], dtype=ag.int32) <= ag.tensor([float(2**24)])).item()
    assert (ag.tensor([0.1]) == 0.1).item()  # a number takes the dtype beside it
    assert not (ag.tensor([0.1]) == ag.tensor(0.1, dtype=ag.float64)).item()
    assert not (ag.tensor([0.1]) == np.float64(0.1)).item()
    assert (ag.tensor([1]) < 1.5).item()
    assert (ag.tensor([True, False]) < 2).all()


@pytest.mark.parametrize("n", [3, 20000])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_integers_that_the_dtype_does_not_hold(dtype: Any, n: int) -> None:
    x = values((n,), dtype)
    for number in (-1, 300, 2**31, -(2**40), 2**63 - 1, 2**63, -(10**30), 10**30):
        for name in ("eq", "ne", "lt", "ge"):
            want = np.array([COMPARISONS[name](int(i), number) for i in x])
            check(getattr(ag, name)(ag.from_numpy(x), number), want)
            swapped = {"lt": "gt", "ge": "le"}.get(name, name)
            check(getattr(ag, swapped)(number, ag.from_numpy(x)), want)


def test_a_number_on_either_side() -> None:
    for dtype, number in itertools.product(DTYPES, (1, 0.5, -2, math.nan, math.inf, True)):
        for n in (1, 7, 300, 11000):
            x = values((n,), dtype)
            t = ag.from_numpy(x)
            check(t > number, x > number)
            check(number >= t, number >= x)
            check(ag.eq(t, number), np.equal(x, number))


# ---- casts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [*itertools.product(DTYPES, DTYPES)])
def test_cast(source: Any, target: Any) -> None:
    for x, _ in layouts(source):
        if np.dtype(target).kind in "iu" and np.dtype(source).kind == "f":
            x = np.asarray(np.nan_to_num(np.abs(x), posinf=200.9))
        check(ag.from_numpy(x).to(target), x.astype(target))


def test_cast_to_integers_goes_towards_zero() -> None:
    x = ag.tensor([1.9, -1.9, 0.5, -0.0, 2.0**31 - 128, -(2.0**31)])
    assert x.int().tolist() == [1, -1, 0, 0, 2**31 - 128, -(2**31)]
    assert x.double().long().tolist() == x.int().tolist()
    assert ag.tensor([2.0**53 + 2], dtype=ag.float64).long().item() == 2**53 + 2
    assert ag.tensor([2**62 + 1]).to(ag.float32).item() == 2.0**62
    assert ag.tensor([300, -1]).to(ag.uint8).tolist() == [44, 255]


@pytest.mark.parametrize("source", [np.float32, np.float64])
@pytest.mark.parametrize("target", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("n", [4, 1000])
def test_what_no_integer_is(source: Any, target: Any, n: int) -> None:
    """Some number, the same wherever it stands, and no crash."""
    odd = np.resize(np.array([np.nan, np.inf, -np.inf, 1e30], source), n)
    got = ag.from_numpy(odd).to(target).numpy()
    np.testing.assert_array_equal(got, np.resize(got[:4], n))


def test_gradient_of_a_cast() -> None:
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    (x.double() * 3.0).sum().backward()
    assert x.grad.dtype == ag.float32
    assert x.grad.tolist() == [3.0, 3.0]


# ---- arithmetic over dtypes ----------------------------------------------------------------------


@pytest.mark.parametrize(("left", "right"), [*itertools.permutations(DTYPES[:5], 2)])
def test_sum_of_two_dtypes(left: Any, right: Any) -> None:
    dtype = ag.promote_types(left, right)
    for a, b in zip(layouts(left), layouts(right), strict=True):
        if a[0].ndim and b[1].ndim:
            with np.errstate(invalid="ignore"):
                want = a[0].astype(dtype) + b[1].astype(dtype)
            check(ag.from_numpy(a[0]) + ag.from_numpy(b[1]), want)


# ---- choices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_where(dtype: Any) -> None:
    for a, b in layouts(dtype):
        for mask in (a == b, np.broadcast_to(a == b, np.broadcast(a, b).shape)):
            got = ag.where(ag.from_numpy(mask.copy()), ag.from_numpy(a), ag.from_numpy(b))
            check(got, np.where(mask, a, b))
    a, mask = values((33, 5), dtype), values((33, 5), np.bool_)
    for n in (a.size, 3):
        x, m = a.ravel()[:n], mask.ravel()[:n]
        check(ag.from_numpy(x).masked_fill(ag.from_numpy(m), 1), np.where(m, dtype(1), x)
              if dtype is not np.bool_ else np.where(m, 1, x))  # fmt: skip


def test_where_keeps_the_bits_of_nan() -> None:
    nan = np.array([0x7FC01234, 0x7F801234], np.uint32).view(np.float32)
    mask = np.array([True, True])
    got = ag.where(ag.from_numpy(mask), ag.from_numpy(nan), 0.0).numpy()
    np.testing.assert_array_equal(got.view(np.uint32), nan.view(np.uint32))


def test_where_of_numbers() -> None:
    mask = ag.tensor([True, False])
    assert ag.where(mask, 1, 0).dtype == ag.int64
    assert ag.where(mask, 1.0, 0).dtype == ag.float32
    assert ag.where(mask, ag.tensor([1, 2]), 0.5).tolist() == [1.0, 0.5]
    assert ag.where(mask, True, ag.tensor([1, 2])).tolist() == [1, 2]


def test_gradient_of_where_with_a_number() -> None:
    x = ag.tensor([1.0, -2.0], requires_grad=True)
    (g,) = ag.autograd.grad(ag.where(x > 0, x * x, 3.0).sum(), x, create_graph=True)
    assert g.tolist() == [2.0, 0.0]
    (h,) = ag.autograd.grad(g.sum(), x)
    assert h.tolist() == [2.0, 0.0]


# ---- powers --------------------------------------------------------------------------------------

POWERS = [2, 3, -1, -2, 0.5, -0.5, 0, 1, 4, 2.5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", POWERS)
def test_power(power: float, dtype: Any) -> None:
    wide = np.longdouble if dtype is np.float64 else np.float64
    x = (10 ** rng.uniform(-9, 9, 10007)).astype(dtype)
    got = (ag.from_numpy(x) ** power).numpy()
    error = np.abs(got.astype(wide) / x.astype(wide) ** power - 1).max()
    assert error <= 2 * np.finfo(dtype).eps
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -2.0, 1e-40, 1e30], dtype)
    with np.errstate(all="ignore"):
        want = np.power(odd.astype(wide), np.full(odd.shape, power, wide)).astype(dtype)
    got = (ag.from_numpy(odd) ** power).numpy()
    np.testing.assert_allclose(got, want, 3e-7)
    np.testing.assert_array_equal(
        np.signbit(got)[~np.isnan(want)], np.signbit(want)[~np.isnan(want)]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_power_does_not_depend_on_its_neighbours(dtype: Any) -> None:
    x = rng.uniform(0.1, 9, 999).astype(dtype)
    exponents = rng.choice(np.array(POWERS, dtype), 999)
    got = (ag.from_numpy(x) ** ag.from_numpy(exponents)).numpy()
    for power in POWERS:
        alone = (ag.from_numpy(x) ** power).numpy()
        np.testing.assert_array_equal(got[exponents == power], alone[exponents == power])


# ---- short rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 10, 31, 64, 95, 96, 97, 200, 512, 513])
@pytest.mark.parametrize("other", [(1, 1, 0), (1, 70, 0), (4, 70, 1), (1, 70, 1), (4, 1, 1), ()])
def test_short_rows(length: int, other: tuple[int, ...]) -> None:
    """A row, rows, a column, columns and numbers beside them; eagerly and in a program."""
    x = rng.standard_normal((4, 70, length)).astype(np.float32)
    for dtype in (np.float32, np.int64):
        shape = tuple([n or length for n in other])
        y = np.asarray(rng.integers(-9, 9, shape)).astype(dtype)
        t, u = ag.from_numpy(x), ag.from_numpy(y)
        check(t + u, x + y.astype(np.float32))
        compiled = ag.compile(lambda t, u: (t + u).relu() * 2.0)
        compiled(t, u)
        check(compiled(t, u), np.maximum(x + y.astype(np.float32), 0) * 2)
        turned = ag.from_numpy(np.ascontiguousarray(x.transpose(1, 0, 2))).permute(1, 0, 2)
        check(turned + u, x + y.astype(np.float32))


# ---- programs ------------------------------------------------------------------------------------


def hard_clamp(x: Tensor, y: Tensor) -> Any:
    return x.clamp(-0.5, 0.5) * y


def leaky(x: Tensor, y: Tensor) -> Any:
    return ag.where(x > 0, x, 0.1 * x)


def masked(x: Tensor, y: Tensor) -> Any:
    return (x > 0).to(x.dtype) * y


def filled(x: Tensor, y: Tensor) -> Any:
    return (x + y).masked_fill(x.isnan() | (y < 0.25), -1.0).exp()


def both_masks(x: Tensor, y: Tensor) -> Any:
    mask = (x > y) & ~(x == 0) ^ y.isfinite()
    return mask, ag.where(mask, x, y)


def counted(x: Tensor, y: Tensor) -> Any:
    return (x > 0).long() + (y > 0).int() * 3 + (x <= y).to(ag.uint8)


def widened(x: Tensor, y: Tensor) -> Any:
    return (x.double() * y.double() + 1e-12).float() - x


def rounded(x: Tensor, y: Tensor) -> Any:
    return (x * 10.0).int().double() * 0.1


def integers(x: Tensor, y: Tensor) -> Any:
    i = (x * 8).nan_to_num().clamp(-99, 99).long()
    return i.relu() + 2**40, i == 3, (i < 0).float()


def raised(x: Tensor, y: Tensor) -> Any:
    return x**2 + y**3 - (x**-1) * (y * y) ** 0.5


PROGRAMS = [
    hard_clamp, leaky, masked, filled, both_masks, counted, widened, rounded, integers, raised,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5,), (3, 191), (40, 33, 30)])
def test_program(program: Any, dtype: Any, shape: Any) -> None:
    """One native step, with the bits of the ops one by one; a broadcast operand, too."""
    x = ag.from_numpy(values(shape, dtype))
    for y in (ag.from_numpy(values(shape, dtype)), ag.from_numpy(values(shape[-1:], dtype))):
        compiled = ag.compile(program)
        compiled(x, y)
        got, want = compiled(x, y), program(x, y)
        pairs = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
        for g, w in pairs:
            check(g, w.numpy())
        assert all(isinstance(p, tuple) for p in compiled._latest.plan.parts)
        if program is not integers and y.shape == x.shape:
            assert len(compiled._latest.plan.notes) == 1, [
                n.name for n in compiled._latest.plan.notes
            ]


@pytest.mark.parametrize("program", [hard_clamp, leaky, filled, widened, raised])
def test_gradient_of_a_program(program: Any) -> None:
    def step(x: Tensor, y: Tensor) -> Any:
        x = x.detach().requires_grad_()
        return ag.autograd.grad(program(x, y).sum(), x)[0]

    x, y = ag.rand(7, 300) + 0.1, ag.rand(7, 300) - 0.5
    compiled = ag.compile(step)
    compiled(x, y)
    np.testing.assert_array_equal(compiled(x, y).numpy(), step(x, y).numpy())
    assert all(isinstance(p, tuple) for p in compiled._latest.plan.parts)


def test_masks_in_an_epilogue() -> None:
    x, w, bias = ag.randn(50, 20), ag.randn(30, 20), ag.randn(30)

    def f(x: Tensor) -> Any:
        y = nn.functional.linear(x, w, bias)
        return ag.where(y > 0, y, 0.1 * y)

    def g(x: Tensor) -> Any:
        y = nn.functional.linear(x, w, bias)
        mask = y > 0
        return mask, (mask.to(y.dtype) * y).double()

    for program in (f, g):
        compiled = ag.compile(program)
        compiled(x)
        got, want = compiled(x), program(x)
        pairs = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
        for a, b in pairs:
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        (name,) = [note.name for note in compiled._latest.plan.notes]
        assert name.startswith("linear+gt+")


def test_the_same_bits_for_any_number_of_threads() -> None:
    x, y = values((1000, 130), np.float32), values((1000, 1), np.int64)
    found = []
    before = ag.get_num_threads()
    for threads in (1, 2, 4):
        ag.set_num_threads(threads)
        t, u = ag.from_numpy(x), ag.from_numpy(y)
        found.append([t < u, ag.where(t > 0, t, u), t.int(), t**3, ag.compile(leaky)(t, u)])
    ag.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_plan_refuses_instructions_that_are_none() -> None:
    f32, bits = (np.dtype(t).num for t in (np.float32, np.bool_))
    x, y, mask = (f32, (4,), (4,), 0, 0), (f32, (4,), (4,), 0, 64), (bits, (4,), (1,), 0, 128)
    lt, where, add = (_C.opcodes[name] for name in ("lt", "where", "add"))
    assert _C.plan_takes("program", [x], [mask], [lt, 0, 1, 0, 0, 0], [], None)
    assert _C.plan_takes("program", [mask, x], [y], [where, 0, 2, 0, 1, 1], [], None)
    for inputs, out, code in (
        ([x], y, [lt, 0, 1, 0, 0, 0]),  # a mask into floats
        ([x], mask, [lt, 1, 1, 0, 0, 0]),  # floats as doubles
        ([x, x], y, [where, 0, 2, 0, 1, 1]),  # floats as a mask
        ([x], y, [add, 4, 1, 0, 0, 0]),
        ([x], y, [add, 0, 1, 0, 2, 0]),  # nothing was written there
        ([x], y, [add, 0, 0, 0, 0, 0]),  # over an operand
        ([x], y, [len(_C.opcodes), 0, 1, 0, 0, 0]),
        ([x], y, [add, 9, 1, 0, 0, 0]),
        ([x], y, [add, 0, 1, -1, 0, 0]),
        ([x], y, [add, 0, 1000, 0, 0, 0]),
        ([x], y, []),
    ):
        assert not _C.plan_takes("program", inputs, [out], code, [], None)
