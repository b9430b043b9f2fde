"""Tensor: what it holds, how it mixes with numbers, arrays and dtypes, and in-place changes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import Tensor


def same(t: Tensor, values: Any, dtype: Any = None) -> None:
    np.testing.assert_array_equal(t.numpy(force=True), values)
    if dtype is not None:
        assert t.dtype == dtype


# ---- making and reading --------------------------------------------------------------------------


def test_tensor_copies_and_keeps_numpys_dtype() -> None:
    a = np.arange(3.0)
    t = ag.tensor(a)
    a[0] = 9
    same(t, [0, 1, 2], np.float64)
    same(ag.tensor([1.0, 2]), [1, 2], np.float32)
    same(ag.tensor(3), 3, np.int64)
    same(ag.tensor([True]), [True], np.bool_)
    same(ag.tensor([1, 2], dtype=ag.float64), [1, 2], np.float64)
    same(ag.tensor([1.5], dtype=int), [1], np.int64)
    same(ag.tensor([]), [], np.float32)
    same(ag.tensor([np.float64(1.5)]), [1.5], np.float64)
    same(ag.tensor([ag.tensor(1.0), ag.tensor(2.0)]), [1, 2], np.float32)
    same(ag.tensor(a[::-1]), a[::-1])
    assert ag.tensor(a[::-1]).is_contiguous()


def test_from_numpy_shares() -> None:
    a = np.arange(6.0).reshape(2, 3)
    t = ag.from_numpy(a)
    assert t.numpy() is a
    assert np.asarray(t) is a
    assert ag.as_tensor(a).numpy() is a
    assert ag.as_tensor(t) is t
    a[0, 0] = 7
    assert t[0, 0].item() == 7
    view = ag.from_numpy(a[:, ::2])
    assert view.stride() == (3, 2)
    assert view.stride(0) == 3
    assert not view.is_contiguous()


def test_subclasses_of_arrays_count_as_arrays() -> None:
    matrix = np.ones((2, 2)).view(np.matrix)
    t = ag.from_numpy(matrix)
    same(t * t, [[1, 1], [1, 1]])
    assert t[0].shape == (2,)
    assert type(t.numpy()) is np.ndarray
    assert np.shares_memory(t.numpy(), matrix)


def test_shape_and_size() -> None:
    t = ag.zeros(2, 3, dtype=ag.float64)
    assert (t.shape, t.size(), t.size(-1)) == ((2, 3), (2, 3), 3)
    assert (t.ndim, t.dim(), t.numel(), t.element_size(), len(t)) == (2, 2, 6, 8, 2)
    assert t.is_floating_point()
    assert not ag.arange(3).is_floating_point()


def test_python_values() -> None:
    t = ag.tensor(2.5)
    assert (t.item(), float(t), int(t), bool(t)) == (2.5, 2.5, 2, True)
    assert [10, 20][ag.tensor(1)] == 20  # type: ignore[call-overload]
    assert ag.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert [x.item() for x in ag.tensor([1, 2])] == [1, 2]
    assert f"{t:.1f}" == "2.5"
    assert 2 in ag.tensor([1, 2])
    assert 5 not in ag.tensor([1, 2])


def test_numpy_refuses_what_it_would_not_track() -> None:
    t = ag.ones(2, requires_grad=True)
    for read in (t.numpy, lambda: np.asarray(t)):
        with pytest.raises(RuntimeError, match="detach"):
            read()
    same(t.detach(), [1, 1])
    assert np.asarray(ag.ones(2), dtype=np.float64).dtype == np.float64
    copied = np.array(ag.from_numpy(source := np.ones(2)))
    assert copied is not source


def test_hash_is_identity() -> None:
    a, b = ag.ones(2), ag.ones(2)
    assert len({a, b, a}) == 2


# ---- numbers, arrays, dtypes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (np.float32, np.float64, np.float64),
        (np.float32, np.int64, np.float32),
        (np.int64, np.int32, np.int64),
        (np.uint8, np.int32, np.int32),
        (np.bool_, np.uint8, np.uint8),
        (np.float32, 2, np.float32),
        (np.float32, 2.5, np.float32),
        (np.int64, 2.5, np.float32),
        (np.int32, 2, np.int32),
        (np.uint8, 2, np.uint8),
        (np.bool_, 2, np.int64),
        (np.float64, 2, np.float64),
    ],
)
def test_promotion(left: Any, right: Any, expected: Any) -> None:
    a = ag.ones(2, dtype=left)
    b = ag.ones(2, dtype=right) if isinstance(right, type) else right
    assert (a + b).dtype == expected
    assert (b + a).dtype == expected


def test_promotion_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    names = ("float32", "float64", "int64", "int32", "uint8", "bool")
    for left in names:
        for right in names:
            for shape in ((2,), ()):
                ours = ag.ones(2, dtype=left) * ag.ones(shape, dtype=right)
                theirs = torch.ones(2, dtype=getattr(torch, left)) * torch.ones(
                    shape, dtype=getattr(torch, right)
                )
                assert f"torch.{ours.dtype}" == str(theirs.dtype), (left, right, shape)
                ours = ag.ones(2, dtype=left) / ag.ones(shape, dtype=right)
                theirs = torch.ones(2, dtype=getattr(torch, left)) / torch.ones(
                    shape, dtype=getattr(torch, right)
                )
                assert f"torch.{ours.dtype}" == str(theirs.dtype), (left, right, shape)


def test_arrays_mix_with_tensors() -> None:
    t = ag.tensor([1.0, 2.0], requires_grad=True)
    a = np.array([3.0, 4.0], np.float32)
    for out in (a * t, t * a):
        assert isinstance(out, Tensor)
        same(out, [3, 8])
    assert isinstance(a - t, Tensor)
    same(a - t, [2, 2])
    same(np.float32(2) * t, [2, 4], np.float32)
    same(t / np.float64(2), [0.5, 1])
    (a * t).sum().backward()
    assert t.grad is not None
    same(t.grad, a)
    same(t == a, [False, False])


def test_unknown_operands() -> None:
    t = ag.ones(2)
    for wrong in ("x", None, [1.0, 2.0], object()):
        with pytest.raises(TypeError):
            t + wrong  # type: ignore[operator]
        with pytest.raises(TypeError):
            wrong * t
    assert (t == "x") is False
    assert (t != None) is True  # noqa: E711


def test_there_is_one_object_of_each_dtype() -> None:
    """Others are slower to compare, and NumPy makes them lightly."""
    for dtype in (ag.float32, ag.float64, ag.int64, ag.int32, ag.uint8, ag.bool):
        for spelled in (dtype, dtype.name, dtype.type, dtype.newbyteorder("S").newbyteorder("S")):
            assert ag.zeros(2, dtype=spelled).dtype is dtype
    swapped = np.arange(3.0).astype(">f8")
    same(ag.tensor(swapped), [0, 1, 2])
    assert ag.tensor(swapped).dtype is ag.float64
    with pytest.raises(TypeError, match=r"byte order|>f8"):
        ag.from_numpy(swapped)


def test_casts() -> None:
    t = ag.tensor([1.7, -1.7])
    assert t.to(ag.float32) is t
    assert t.double().dtype == np.float64
    same(t.long(), [1, -1], np.int64)
    same(t.int(), [1, -1], np.int32)
    same(ag.tensor([0.0, 2.0]).bool(), [False, True], np.bool_)
    x = ag.tensor([1.5], requires_grad=True)
    (x.double() * 2).sum().backward()
    assert x.grad is not None
    same(x.grad, [2], np.float32)
    assert not x.long().requires_grad


# ---- in place ------------------------------------------------------------------------------------


def test_in_place_ops() -> None:
    t = ag.tensor([1.0, 4.0])
    view = t[1:]
    assert t.add_(1) is t
    same(t, [2, 5])
    same(view, [5])
    same(t.mul_(2).sub_(1).div_(3), [1, 3])
    same(t.copy_(ag.tensor([2.0, 9.0])).sqrt_(), np.sqrt(np.float32([2, 9])))
    same(t.fill_(3).clamp_(max=2), [2, 2])
    same(t.zero_(), [0, 0])
    t[0] = 5
    same(t, [5, 0])
    t[ag.tensor([True, False])] = ag.tensor([7.0])
    same(t, [7, 0])
    t += 1
    t *= 2
    t -= 1
    t /= 5
    same(t, np.float32([15, 1]) / np.float32(5))


def test_in_place_keeps_shape_and_dtype() -> None:
    t = ag.ones(2)
    with pytest.raises(ValueError):
        t.add_(ag.ones(3, 2))
    t.add_(ag.ones(2, dtype=ag.float64))
    assert t.dtype == np.float32
    same(t, [2, 2])


def test_read_only_memory_stays_as_it_is() -> None:
    a = np.ones(2)
    a.flags.writeable = False
    t = ag.from_numpy(a)
    wide = ag.ones(1).expand(3)
    for u in (t, wide):
        for change in (lambda u: u.add_(1), lambda u: u.zero_(), lambda u: u.__setitem__(0, 2)):
            with pytest.raises(ValueError, match="read-only"):
                change(u)
    same(t * 2, [2, 2])
    assert (t * 2).numpy().flags.writeable


def test_an_error_changes_nothing() -> None:
    t = ag.ones(3)
    for wrong in (
        lambda: t.add_(ag.ones(4)), lambda: t.copy_(ag.ones(4)), lambda: t.__setitem__(7, 1.0),
        lambda: t.__setitem__(slice(0, 2), ag.ones(3)), lambda: t.fill_("x"),  # type: ignore[arg-type]
    ):  # fmt: skip
        with pytest.raises((ValueError, IndexError, TypeError)):
            wrong()
    same(t, [1, 1, 1])


def test_data_can_be_replaced() -> None:
    x = ag.ones(2, requires_grad=True)
    x.data = x.data * 3
    same(x, [3, 3])
    assert x.is_leaf
    assert x.requires_grad
    x.data[0] = 7
    same(x, [7, 3])


# ---- views ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        lambda t: t[1:], lambda t: t[:, 0], lambda t: t[1, 2], lambda t: t[..., None],
        lambda t: t.reshape(6), lambda t: t.view(3, 2), lambda t: t.mT, lambda t: t.flatten(),
        lambda t: t.unsqueeze(0), lambda t: t.permute(1, 0), lambda t: t.split(1)[0],
        lambda t: t.detach(), lambda t: t.flip(0), lambda t: t.expand(4, 2, 3),
    ],
)  # fmt: skip
def test_views_share_memory(view: Any) -> None:
    t = ag.zeros(2, 3)
    assert np.shares_memory(view(t).numpy(), t.numpy())


def test_view_refuses_a_copy() -> None:
    t = ag.zeros(2, 3)
    with pytest.raises(ValueError, match=r"view: strides.*reshape"):
        t.mT.view(6)
    assert t.mT.reshape(6).shape == (6,)
    assert ag.zeros(2, 0).mT.view(0).shape == (0,)


def test_an_index_is_kept_as_it_was() -> None:
    x = ag.tensor([1.0, 2.0, 3.0], requires_grad=True)
    index = ag.tensor([0, 0])
    rows = np.array([2])
    y = x[index].sum() + x[rows].sum() * 10
    index.fill_(1)
    rows[0] = 1
    y.backward()
    assert x.grad is not None
    same(x.grad, [2, 0, 10])


# ---- copies --------------------------------------------------------------------------------------


def test_pickle_and_deepcopy() -> None:
    t = ag.tensor([1.0, 2.0], requires_grad=True)
    t.sum().backward()
    for twin in (pickle.loads(pickle.dumps(t)), copy.deepcopy(t)):
        same(twin, [1, 2], np.float32)
        assert twin.requires_grad
        assert twin.is_leaf
        with ag.no_grad():
            twin.zero_()
    same(t, [1, 2])
    twin = copy.deepcopy(t)
    assert twin.grad is not None
    assert twin.grad is not t.grad
    for fails in (pickle.dumps, copy.deepcopy):
        with pytest.raises(RuntimeError, match="only leaves"):
            fails(t * 2)


# ---- how it prints -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ag.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: ag.tensor([1.0, -2.0]), "tensor([ 1., -2.])"),
        (lambda: ag.tensor(3.0), "tensor(3.)"),
        (lambda: ag.tensor(3), "tensor(3)"),
        (lambda: ag.tensor([True, False]), "tensor([ True, False])"),
        (lambda: ag.tensor([]), "tensor([])"),
        (lambda: ag.zeros(0, 3), "tensor([], size=(0, 3))"),
        (lambda: ag.ones(1, dtype=ag.float64), "tensor([1.], dtype=float64)"),
        (lambda: ag.ones(1, dtype=ag.int32), "tensor([1], dtype=int32)"),
        (lambda: ag.tensor([1.0, float("nan"), float("inf")]), "tensor([ 1., nan, inf])"),
        (lambda: ag.ones(1, requires_grad=True), "tensor([1.], requires_grad=True)"),
        (lambda: ag.ones(1, requires_grad=True) * 2, "tensor([2.], grad_fn=<MulBackward>)"),
        (lambda: ag.tensor([1e-10, 1.0]), "tensor([1.0000e-10, 1.0000e+00])"),
    ],
)
def test_repr(make: Any, text: str) -> None:
    assert repr(make()) == text


def test_repr_of_all_values() -> None:
    """No value makes it fail or warn."""
    for values in (
        [np.nan] * 3, [np.inf, -np.inf], [1e-45, 3e38], [0.0, -0.0], [[1e30, -1e-30]],
        np.full((40, 40), np.nan), np.zeros((1,) * 32), np.zeros((3, 0, 2)),
    ):  # fmt: skip
        for dtype in (np.float32, np.float64):
            with np.errstate(over="ignore", under="ignore"):
                assert repr(ag.tensor(np.asarray(values, dtype))).startswith("tensor(")


# ---- the state that ops keep ---------------------------------------------------------------------


def test_dropout_statistics() -> None:
    x = ag.ones(200, 500, requires_grad=True)
    for p in (0.1, 0.5, 0.9):
        x.grad = None
        y = ag.dropout(x, p)
        values, kept = np.unique(y.numpy(force=True), return_counts=True)
        np.testing.assert_allclose(values, [0, 1 / (1 - p)], rtol=1e-6)
        expected, deviation = 100_000 * (1 - p), np.sqrt(100_000 * p * (1 - p))
        assert abs(kept[1] - expected) < 5 * deviation
        y.sum().backward()
        assert x.grad is not None
        same(x.grad, y.numpy(force=True))
    ag.manual_seed(5)
    first = ag.dropout(x)
    ag.manual_seed(5)
    same(ag.dropout(x), first.numpy(force=True))
    assert not np.array_equal(ag.dropout(x).numpy(force=True), first.numpy(force=True))


def test_batch_norm_moves_the_running_statistics() -> None:
    x = ag.tensor(np.random.default_rng(0).standard_normal((8, 3, 2, 2)))
    mean, var = ag.zeros(3, dtype=ag.float64), ag.ones(3, dtype=ag.float64)
    ag.nn.functional.batch_norm(x, mean, var, training=True, momentum=0.2)
    a = x.numpy()
    np.testing.assert_allclose(mean.numpy(), 0.2 * a.mean((0, 2, 3)))
    np.testing.assert_allclose(var.numpy(), 0.8 + 0.2 * a.var((0, 2, 3), ddof=1))
    before = mean.numpy().copy()
    ag.nn.functional.batch_norm(x, mean, var)
    same(mean, before)


def test_random_numbers() -> None:
    u, n = ag.rand(10_000), ag.randn(10_000, dtype=ag.float64)
    assert (u.dtype, n.dtype) == (np.float32, np.float64)
    assert 0 <= u.min().item() <= u.max().item() < 1
    assert abs(u.mean().item() - 0.5) < 0.02
    assert abs(n.mean().item()) < 0.05
    assert abs(n.std().item() - 1) < 0.05
    assert sorted(ag.randperm(50).tolist()) == list(range(50))
    i = ag.randint(2, 5, (1000,))
    assert sorted(set(i.tolist())) == [2, 3, 4]
    ag.manual_seed(1)
    first = ag.rand(5)
    ag.manual_seed(1)
    same(ag.rand(5), first.numpy())


def test_attributes_are_found_without_a_detour() -> None:
    """A __getattr__ on the class would make every attribute of every tensor twice as slow."""
    assert not hasattr(Tensor, "__getattr__")
