"""Names that PyTorch's users expect: devices, aliases, and functions without a row in the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyautograd as ag

X = ag.tensor([[3.0, -1.0], [2.0, 0.5]])


def same(a: Any, b: Any) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


# ---- devices -------------------------------------------------------------------------------------


def test_a_program_that_asks_for_its_device() -> None:
    device = ag.device("cuda" if ag.cuda.is_available() else "cpu")
    model = ag.nn.Linear(2, 3).to(device)
    x = ag.rand(4, 2, device=device, dtype=ag.float64)
    assert model.to(device, ag.float64)(x.to(device)).dtype == ag.float64
    assert x.device == device
    assert x.device.type == "cpu"
    assert x.to("cpu") is x
    assert x.to("cpu", ag.float32).dtype == x.to(dtype=ag.float).dtype == ag.float32
    assert x.to(ag.ones(1)).dtype == ag.float32
    assert x.to(x.dtype, copy=True) is not x
    for make in (ag.zeros, ag.ones, ag.empty, ag.rand, ag.randn):
        assert make(2, device="cpu").shape == (2,)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ag.device("cuda"),
        lambda: ag.device("cpu", 1),
        lambda: X.to("cuda:0"),
        lambda: X.cuda(),
        lambda: ag.nn.Linear(1, 1).cuda(),
        lambda: ag.zeros(2, device="cuda"),
        lambda: ag.tensor([1], device="mps"),
    ],
)
def test_there_are_no_other_devices(call: Any) -> None:
    with pytest.raises(RuntimeError, match="expected 'cpu', the only one there is"):
        call()


# ---- names ---------------------------------------------------------------------------------------


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="module 'pyautograd' has no attribute 'nonsense'"):
        _ = ag.nonsense
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'nonsense'"):
        X.nonsense()


def test_names_are_listed() -> None:
    assert {"median", "kron", "multiply", "pi", "nn"} <= set(dir(ag))


def test_aliases_are_the_functions() -> None:
    assert ag.multiply is ag.mul
    assert ag.concat is ag.concatenate is ag.cat
    assert ag.clip is ag.clamp
    assert same(X.swapaxes(0, 1), X.T)
    assert same(X.clone().clip_(0, 1), X.clamp(0, 1))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("sin", ()),
        ("floor", ()),
        ("remainder", (2.0,)),
        ("lerp", (ag.ones(2), 0.5)),
        ("index_fill", (0, ag.tensor([1]), 7.0)),
        ("tril", ()),
        ("nan_to_num", ()),
    ],
)
def test_in_place(name: str, args: Any) -> None:
    x = X.clone()
    result = getattr(x, f"{name}_")(*args)
    assert result is x
    assert same(x, getattr(X, name)(*args))


def test_gradients_through_changes_in_place() -> None:
    leaf = X.clone().requires_grad_()
    y = leaf * 2
    y.sin_()
    y.sum().backward()
    assert leaf.grad is not None
    assert np.allclose(leaf.grad.numpy(), 2 * np.cos(2 * X.numpy()))


# ---- tests that give Python's values -------------------------------------------------------------


def test_equal_and_allclose() -> None:
    assert ag.equal(X, X.clone())
    assert not ag.equal(X, X[:1])
    assert X.allclose(X + 1e-9)
    assert not ag.allclose(X, X + 1)
    assert not ag.allclose(ag.tensor([float("nan")]), ag.tensor([float("nan")]))
    assert ag.is_tensor(X)
    assert not ag.is_tensor(X.numpy())


def test_integers_cannot_be_divided_by_0() -> None:
    x = ag.tensor([1, 2])
    for call in (lambda: x % 0, lambda: x // ag.tensor([1, 0]), lambda: ag.fmod(x, 0)):
        with pytest.raises(ZeroDivisionError, match="integer division by zero"):
            call()
    assert same(ag.ones(1) // 0.0, [np.inf])


# ---- sets ----------------------------------------------------------------------------------------


def test_unique() -> None:
    x = ag.tensor([[3, 1], [3, 1], [2, 2]])
    values, inverse, counts = ag.unique(x, return_inverse=True, return_counts=True)
    assert same(values, [1, 2, 3])
    assert same(values.numpy()[inverse.numpy()], x)
    assert same(counts, [2, 2, 2])
    assert same(x.unique(dim=0), [[2, 2], [3, 1]])
    values, inverse, counts = ag.unique_consecutive(
        ag.tensor([1, 1, 2, 1]), return_inverse=True, return_counts=True
    )
    assert same(values, [1, 2, 1])
    assert same(inverse, [0, 0, 1, 2])
    assert same(counts, [2, 1, 1])
    assert same(x.unique_consecutive(dim=0), [[3, 1], [2, 2]])


def test_positions_and_counts() -> None:
    assert same(ag.nonzero(ag.tensor([[0, 2], [3, 0]])), [[0, 1], [1, 0]])
    assert same(ag.nonzero(ag.tensor([0, 5]), as_tuple=True)[0], [1])
    assert same(ag.bincount(ag.tensor([1, 1, 3]), minlength=6), [0, 2, 0, 1, 0, 0])
    assert same(ag.bincount(ag.tensor([1, 1]), ag.tensor([0.5, 2.0])), [0.0, 2.5])
    assert same(ag.histc(ag.tensor([0.0, 1.0, 1.5, 9.0]), 4, 0, 2), [1, 0, 1, 1])
    assert same(ag.isin(X, ag.tensor([3.0, 0.5])), [[True, False], [False, True]])
    assert same(ag.searchsorted(ag.tensor([1, 3, 3]), ag.tensor([3]), right=True), [3])
    assert same(ag.bucketize(ag.tensor([0.5, 1.0]), ag.tensor([0.0, 1.0])), [1, 1])
    assert same(ag.tril_indices(2, 3), np.stack(np.tril_indices(2, 0, 3)))
    with pytest.raises(ValueError, match="at least 0, got -1"):
        ag.bincount(ag.tensor([-1]))


def test_masked_scatter() -> None:
    found = X.masked_scatter(X > 0, ag.tensor([10.0, 20.0, 30.0]))
    assert same(found, [[10.0, -1.0], [20.0, 30.0]])
    with pytest.raises(ValueError, match="3 places for the 2 elements"):
        X.masked_scatter(X > 0, ag.ones(2))


# ---- sampling ------------------------------------------------------------------------------------


def test_draws_follow_their_distribution() -> None:
    ag.manual_seed(0)
    assert abs(float(ag.bernoulli(ag.full((20000,), 0.3)).mean()) - 0.3) < 0.02
    weights = ag.tensor([1.0, 0.0, 3.0])
    drawn = ag.multinomial(weights, 20000, replacement=True)
    shares = ag.bincount(drawn, minlength=3).numpy() / 20000
    assert np.allclose(shares, [0.25, 0.0, 0.75], atol=0.02)
    first = ag.multinomial(weights.expand(20000, 3), 2)[:, 0]
    assert np.allclose(ag.bincount(first, minlength=3).numpy() / 20000, shares, atol=0.02)
    assert sorted(ag.multinomial(weights, 2).tolist()) == [0, 2]
    x = ag.normal(ag.full((20000,), 5.0), 2.0)
    assert abs(float(x.mean()) - 5) < 0.1
    assert abs(float(x.std()) - 2) < 0.1
    assert 0 <= float(x.uniform_(0, 2).min()) < float(x.max()) < 2
    assert abs(float(x.exponential_(4.0).mean()) - 0.25) < 0.02
    assert set(ag.zeros(100, dtype=ag.int64).random_(3).tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ag.multinomial(ag.tensor([1.0, 0.0]), 2), "from fewer categories"),
        (lambda: ag.multinomial(ag.tensor([-1.0, 2.0]), 1), "at least 0"),
        (lambda: ag.multinomial(ag.zeros(3), 1), "above 0"),
        (lambda: ag.bernoulli(ag.tensor([1.5])), r"within \[0, 1\]"),
        (lambda: ag.quantile(X, 1.5), r"within \[0, 1\]"),
        (lambda: ag.quantile(X, 0.5, interpolation="cubic"), "one of linear"),
        (lambda: ag.mv(X, ag.ones(3, 1)), "expected"),
        (lambda: ag.tensordot(ag.ones(2, 3), ag.ones(2, 3), 1), "do not match"),
        (lambda: ag.narrow(X, 0, 1, 5), "do not lie in dimension 0"),
        (lambda: ag.kthvalue(X, 3), r"not within \[1, 2\]"),
        (lambda: ag.meshgrid(X), "expected vectors"),
        (lambda: ag.cross(X, X), "size 3"),
        (lambda: ag.index_add(X, 0, ag.tensor([0]), ag.ones(2, 2)), "take a source of shape"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# ---- conversions ---------------------------------------------------------------------------------


def test_new_tensors_like_another() -> None:
    x = ag.ones(2, dtype=ag.float64)
    assert x.new_zeros(3).dtype == x.new_full((2,), 1.5).dtype == ag.float64
    assert x.new_tensor([1, 2]).dtype == ag.float64
    assert x.type_as(X).dtype == x.type(ag.float32).dtype == ag.float32
    assert x.type() == "pyautograd.float64"
    assert x.nbytes == 16
    assert ag.promote_types(ag.int64, ag.float32) == ag.float32
    assert ag.result_type(X, 1) == ag.float32
    assert ag.finfo(ag.float32).eps == np.finfo(np.float32).eps
    assert same(ag.logspace(0, 2, 3), [1.0, 10.0, 100.0])
    assert ag.asarray(x) is x
    assert ag.scalar_tensor(2).shape == ()


# ---- the rest ------------------------------------------------------------------------------------


def test_loading_says_what_is_so_anyway(tmp_path: Any) -> None:
    ag.save({"x": X}, tmp_path / "x.npz")
    assert same(ag.load(tmp_path / "x.npz", map_location="cpu", weights_only=True)["x"], X)
    with pytest.raises(ValueError, match="data alone"):
        ag.load(tmp_path / "x.npz", weights_only=False)
    assert ag.pi == np.pi


def test_print_options() -> None:
    x = ag.tensor([1.23456, 100.0])
    try:
        ag.set_printoptions(precision=2, sci_mode=True)
        assert repr(x) == "tensor([1.23e+00, 1.00e+02])"
        ag.set_printoptions(threshold=4, edgeitems=1)
        assert "..." in repr(ag.zeros(9))
        ag.set_printoptions(profile="full")
        assert "..." not in repr(ag.zeros(2000))
        with pytest.raises(ValueError, match="one of default, short, full"):
            ag.set_printoptions(profile="tiny")
    finally:
        ag.set_printoptions(profile="default")
    assert repr(x) == "tensor([  1.2346, 100.0000])"


def test_where_alone_and_random_states() -> None:
    rows, columns = ag.where(ag.tensor([[0, 2], [3, 0]]) > 0)
    assert same(rows, [0, 1])
    assert same(columns, [1, 0])
    with pytest.raises(TypeError, match="both input and other"):
        ag.where(X > 0, X)
    state = ag.get_rng_state()
    first = ag.rand(3)
    ag.set_rng_state(state)
    assert same(ag.rand(3), first)
