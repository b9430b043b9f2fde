"""Optimisers and schedulers: against PyTorch, their state, and steps that fail."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C, nn, optim

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "eps": 1e-2}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    ("Adagrad", {"weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adamax", {"maximize": True}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1}),
    ("NAdam", {"betas": (0.8, 0.9), "momentum_decay": 0.2, "weight_decay": 0.1}),
    ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.01, 0.2), "maximize": True}),
    ("ASGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in OPTIMIZERS]


def exact(name: str) -> float:
    """Digits that agree: PyTorch keeps these optimisers' numbers in float32."""
    return 1e-5 if name in ("NAdam", "ASGD") else 1e-9


def network(module: Any) -> Any:
    return module.Sequential(
        module.Linear(3, 8), module.Tanh(), module.Linear(8, 8), module.ReLU(), module.Linear(8, 2)
    )


def twins(name: str, options: dict[str, Any], dtype: Any = np.float64) -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = network(torch.nn), network(nn)
    if dtype == np.float64:
        theirs, ours = theirs.double(), ours.double()
    ours.load_state_dict(theirs.state_dict())
    return (
        torch,
        (theirs, getattr(torch.optim, name)(theirs.parameters(), **options)),
        (ours, getattr(optim, name)(ours.parameters(), **options)),
    )


def train(lib: Any, model: Any, optimizer: Any, batches: Any) -> None:
    for x, y in batches:
        optimizer.zero_grad()
        lib.nn.functional.cross_entropy(model(lib.tensor(x)), lib.tensor(y)).backward()
        optimizer.step()


def batches(rng: np.random.Generator, n: int, dtype: Any = np.float64) -> Any:
    return [(rng.standard_normal((6, 3)).astype(dtype), rng.integers(0, 2, 6)) for _ in range(n)]


def values(parameters: Any) -> list[Any]:
    return [p.detach().numpy().copy() for p in parameters]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=IDS)
def test_five_steps_follow_pytorch(name: str, options: Any, rng: np.random.Generator) -> None:
    torch, (theirs, their_optimizer), (ours, our_optimizer) = twins(name, options)
    data = batches(rng, 5)
    train(torch, theirs, their_optimizer, data)
    train(ag, ours, our_optimizer, data)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            p.detach().numpy(), q.detach().numpy(), rtol=exact(name), atol=1e-12
        )


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=IDS)
def test_float32(name: str, options: Any, rng: np.random.Generator) -> None:
    torch, (theirs, their_optimizer), (ours, our_optimizer) = twins(name, options, np.float32)
    data = batches(rng, 3, np.float32)
    train(torch, theirs, their_optimizer, data)
    train(ag, ours, our_optimizer, data)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=IDS)
def test_state_goes_on_where_it_was(name: str, options: Any, rng: np.random.Generator) -> None:
    """Through our own state dict, and from PyTorch's."""
    torch, (theirs, their_optimizer), (ours, our_optimizer) = twins(name, options)
    data = batches(rng, 4)
    train(torch, theirs, their_optimizer, data[:2])
    train(ag, ours, our_optimizer, data[:2])
    saved = copy.deepcopy((ours.state_dict(), our_optimizer.state_dict()))
    train(ag, ours, our_optimizer, data[2:])

    for model_state, state in (saved, (theirs.state_dict(), their_optimizer.state_dict())):
        again = network(nn).double()
        optimizer = getattr(optim, name)(again.parameters(), lr=99.0)
        again.load_state_dict(model_state)
        optimizer.load_state_dict(state)
        train(ag, again, optimizer, data[2:])
        for p, q in zip(again.parameters(), ours.parameters(), strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=exact(name))


def test_state_dict_has_pytorchs_layout(rng: np.random.Generator) -> None:
    torch, (theirs, their_optimizer), (ours, our_optimizer) = twins("Adam", {"amsgrad": True})
    assert our_optimizer.state_dict()["state"] == {}
    data = batches(rng, 1)
    train(torch, theirs, their_optimizer, data)
    train(ag, ours, our_optimizer, data)
    expected, got = their_optimizer.state_dict(), our_optimizer.state_dict()
    assert list(got) == list(expected)
    assert list(got["state"]) == list(expected["state"])
    assert set(got["state"][0]) == set(expected["state"][0])
    assert got["state"][0]["step"] == 1
    ours_group, their_group = got["param_groups"][0], expected["param_groups"][0]
    assert ours_group["params"] == their_group["params"]
    assert set(ours_group) <= set(their_group)
    assert all(ours_group[key] == their_group[key] for key in ours_group)


def test_groups() -> None:
    a, b = ag.ones(2, requires_grad=True), ag.ones(2, requires_grad=True)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    (a.sum() + b.sum()).backward()
    optimizer.step()
    np.testing.assert_allclose(a.detach().numpy(), 0.9)
    np.testing.assert_allclose(b.detach().numpy(), 0.5)
    c = ag.ones(2, requires_grad=True)
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    c.sum().backward()
    optimizer.step()
    np.testing.assert_allclose(c.detach().numpy(), 0.9)
    assert [group["params"] for group in optimizer.state_dict()["param_groups"]] == [[0], [1], [2]]
    assert list(optimizer.state_dict()["state"]) == [2]
    assert "lr: 0.5" in repr(optimizer)
    optimizer.zero_grad()
    assert a.grad is None


SHAPES = [(3,), (), (0, 4), (123, 457), (17,), (70001,)]


def after_three_steps(
    name: str, options: Any, dtypes: list[Any], split: bool, rng: np.random.Generator
) -> list[Any]:
    """Parameters of many shapes, in one group or in one each."""
    params = [
        ag.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
        for shape, dtype in zip(SHAPES, dtypes, strict=True)
    ]
    optimizer = getattr(optim, name)(
        [{"params": p} for p in params] if split else params, **options
    )
    for _ in range(3):
        for p in params:
            p.grad = ag.tensor(rng.standard_normal(p.shape).astype(p.dtype))
        optimizer.step()
    return values(params)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=IDS)
def test_one_call_for_all_is_as_one_each(name: str, options: Any) -> None:
    """To the bit, for any number of threads; on every instruction set, near float64."""

    def run(dtypes: list[Any], split: bool = False) -> list[Any]:
        return after_three_steps(name, options, dtypes, split, np.random.default_rng(3))

    single, double = [np.float32] * len(SHAPES), [np.float64] * len(SHAPES)
    exact, threads = run(double), ag.get_num_threads()
    for isa in _C.available_isas():
        before = _C.isa()
        _C.select_isa(isa)
        try:
            expected = run(single)
            for n in (1, 2, 3):
                ag.set_num_threads(n)
                for got in (run(single), run(single, split=True)):
                    for a, b in zip(got, expected, strict=True):
                        np.testing.assert_array_equal(a, b)
            for got in (expected, run([np.float32, np.float64] * 3), run(double)):
                for a, b in zip(got, exact, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        finally:
            _C.select_isa(before)
            ag.set_num_threads(threads)


def test_a_failed_step_changes_no_group() -> None:
    params = [ag.ones(2, requires_grad=True) for _ in range(2)]
    optimizer = optim.SGD([{"params": p} for p in params], lr=0.1, momentum=0.9)
    params[0].grad, params[1].grad = ag.ones(2), ag.ones(3)
    with pytest.raises(ValueError, match="parameter 1 has shape"):
        optimizer.step()
    assert [p.tolist() for p in params] == [[1, 1], [1, 1]]
    assert optimizer.state_dict()["state"] == {}
    params[1].grad = ag.ones(2)
    optimizer.param_groups[1]["lr"] = "fast"
    with pytest.raises(TypeError, match="str"):
        optimizer.step()
    assert [p.tolist() for p in params] == [[1, 1], [1, 1]]


ONES = [np.ones(2, np.float32)]
SIX, SEVEN = (0.1,) * 6, (0.1,) * 7


@pytest.mark.parametrize(
    ("step", "group"),
    [
        (_C.sgd_step, None),
        (_C.sgd_step, ()),
        (_C.sgd_step, (None,) * 5),
        (_C.sgd_step, (ONES, ONES, ONES, [False], SEVEN)),
        (_C.sgd_step, (None, ONES, ONES, [False], SIX)),
        (_C.sgd_step, (ONES, ONES, tuple(ONES), [False], SIX)),
        (_C.sgd_step, (ONES, ONES, ONES, None, SIX)),
        (_C.sgd_step, (ONES, ONES, ONES * 2, [False], SIX)),
        (_C.adam_step, (ONES, ONES, ONES, ONES, None, [0], SEVEN)),
        (_C.adam_step, (ONES, ONES, ONES, ONES, None, ["1"], SEVEN)),
        (_C.adam_step, (ONES, ONES, [None], ONES, None, [1], SEVEN)),
        (_C.adam_step, (ONES, ONES, None, ONES, None, [1], SEVEN)),
        (_C.adam_step, (ONES, ONES, ONES, ONES, [], [1], SEVEN)),
    ],
)
def test_the_kernels_take_no_nonsense(step: Any, group: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        step([group])
    assert ONES[0].tolist() == [1, 1]


@pytest.mark.parametrize("make", [
    lambda p: optim.SGD(p, lr=0.5), lambda p: optim.SGD(p, lr=0.5, momentum=0.9),
    lambda p: optim.Adam(p, lr=0.5), lambda p: optim.AdamW(p, lr=0.5),
])  # fmt: skip
def test_parameters_that_are_views_of_arrays(make: Any) -> None:
    """The step reaches the memory that they share, and backward notices the change of any part."""
    memory = np.arange(1.0, 13.0, dtype=np.float32).reshape(3, 4)
    w = ag.from_numpy(memory[1]).requires_grad_()
    v = ag.from_numpy(memory.T[2][2:]).requires_grad_()  # strided, of the same memory
    alone = ag.ones(2, requires_grad=True)
    optimizer = make([w, v, alone])
    before = memory.copy()
    version = w._version
    loss = (w * w).sum() + (v * v).sum() + (alone * alone).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    changed = memory != before
    assert changed[1].all()
    assert changed[2, 2]
    assert changed.sum() == 5
    assert w.tolist() == memory[1].tolist()
    assert w._version > version
    with pytest.raises(RuntimeError, match=r"mul saved .*step has changed in place"):
        loss.backward()
    (w * w).sum().backward()  # a graph recorded after the step is a good one


@pytest.mark.parametrize("own", [True, False], ids=["own array", "view"])
def test_a_value_saved_before_the_step(own: bool) -> None:
    memory = np.ones((2, 3), np.float32)
    w = (ag.ones(3) if own else ag.from_numpy(memory[0])).requires_grad_()
    other = ag.ones(3, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    loss = (w * other).sum()
    untouched = (other * other).sum()
    w.grad = ag.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"mul saved a tensor of shape \(3,\) that"):
        loss.backward()
    untouched.backward()
    assert other.grad is not None


def test_zero_grad_in_place() -> None:
    a = ag.ones(2, requires_grad=True)
    optimizer = optim.SGD([a])
    a.sum().backward()
    grad = a.grad
    optimizer.zero_grad(set_to_none=False)
    assert a.grad is grad
    assert grad.tolist() == [0.0, 0.0]
    (g,) = ag.autograd.grad((a * a).sum(), a, create_graph=True)
    a.grad = g
    optimizer.zero_grad(set_to_none=False)
    assert not a.grad.requires_grad


def test_closure() -> None:
    a = ag.ones(1, requires_grad=True)
    optimizer = optim.SGD([a], lr=0.25)

    def closure() -> ag.Tensor:
        optimizer.zero_grad()
        loss = (a * a).sum()
        loss.backward()
        return loss

    with ag.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert a.item() == 0.5


def test_parameters_without_gradient_stay() -> None:
    a, b = ag.ones(1, requires_grad=True), ag.ones(1, requires_grad=True)
    optimizer = optim.Adam([a, b])
    a.sum().backward()
    optimizer.step()
    assert b.item() == 1.0
    assert list(optimizer.state_dict()["state"]) == [0]


def test_empty_and_scalar_parameters() -> None:
    for make in (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), optim.Adam):
        a, b = ag.zeros(0, 3, requires_grad=True), ag.tensor(1.0, requires_grad=True)
        optimizer = make([a, b])
        for _ in range(2):
            (a.sum() + b * 2).backward()
            optimizer.step()
        assert a.shape == (0, 3)
        assert b.item() < 1.0
        assert b.shape == ()
        again = make([a, b])
        again.load_state_dict(optimizer.state_dict())


def test_step_between_the_forward_and_backward_is_noticed() -> None:
    a = ag.ones(2, requires_grad=True)
    optimizer = optim.SGD([a], lr=0.1)
    loss = (a * a).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"SGD.step has changed in place"):
        loss.backward()


def test_gradient_of_any_layout() -> None:
    a = nn.Parameter(ag.zeros(2, 3))
    a.grad = ag.arange(6.0).reshape(3, 2).T
    optim.SGD([a], lr=1.0).step()
    assert a.tolist() == [[0.0, -2.0, -4.0], [-1.0, -3.0, -5.0]]


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda p: optim.SGD([]), ValueError, "empty list of parameters"),
        (lambda p: optim.SGD(p), TypeError, "expected an iterable of tensors"),
        (lambda p: optim.SGD([p * 2]), ValueError, "parameter 0 is no leaf"),
        (lambda p: optim.SGD([p, 3]), TypeError, "parameter 1 is no Tensor but a int"),
        (lambda p: optim.SGD([ag.tensor([1])]), TypeError, "is int64"),
        (lambda p: optim.SGD([p, p]), ValueError, "parameter 1 is there twice"),
        (lambda p: optim.SGD([{"params": p}, {"params": [p]}]), ValueError, "there twice"),
        (lambda p: optim.SGD([{"lr": 1.0}]), ValueError, "no 'params'"),
        (lambda p: optim.SGD([p], lr=-1.0), ValueError, "lr of at least 0, got -1"),
        (lambda p: optim.SGD([p], lr=float("nan")), ValueError, "lr of at least 0, got nan"),
        (lambda p: optim.SGD([p], momentum=-1), ValueError, "momentum"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "nesterov needs momentum"),
        (lambda p: optim.SGD([{"params": p, "lr": "x"}]), ValueError, "lr of at least 0"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "betas"),
        (lambda p: optim.Adam([p], eps=-1), ValueError, "Adam: expected eps"),
        (lambda p: optim.AdamW([p], weight_decay=-1), ValueError, "AdamW: expected weight_decay"),
        (lambda p: optim.RMSprop([p], alpha=1.5), ValueError, r"RMSprop: .*alpha .*1.5"),
        (lambda p: optim.RMSprop([p], momentum=-1), ValueError, "RMSprop: .*momentum"),
        (lambda p: optim.Adagrad([p], lr_decay=-1), ValueError, "Adagrad: .*lr_decay"),
        (lambda p: optim.Adadelta([p], rho=-1), ValueError, "Adadelta: .*rho"),
        (lambda p: optim.Adamax([p], betas=(0.9, 1.0)), ValueError, "Adamax: .*betas"),
    ],
)
def test_argument_errors(make: Callable[[Any], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make(ag.ones(2, requires_grad=True))


def wrong_shape(p: Any) -> None:
    p.grad = ag.ones(3)


def wrong_dtype(p: Any) -> None:
    p.grad = ag.ones(2, dtype=ag.float64)


def read_only(p: Any) -> None:
    array = np.ones(2, np.float32)
    array.flags.writeable = False
    p.data = ag.from_numpy(array)


def strided(p: Any) -> None:
    p.data = ag.ones(4)[::2]


def cast(p: Any) -> None:
    p.data = p.data.double()
    p.grad = p.grad.double()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (wrong_shape, r"parameter 1 has shape \(2,\), its gradient \(3,\)"),
        (wrong_dtype, "parameter 1 is float32, its gradient float64"),
        (read_only, "parameter 1 of shape .* is read-only"),
        (strided, "expected contiguous memory"),
        (cast, "its state is not"),
    ],
)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_failed_step_changes_nothing(name: str, spoil: Any, text: str) -> None:
    params = [ag.ones(2, requires_grad=True) for _ in range(3)]
    options = {"momentum": 0.9} if name == "SGD" else {"amsgrad": True}
    optimizer = getattr(optim, name)(params, lr=0.1, **options)
    ag.stack([p.sum() for p in params[:2]]).sum().backward()
    optimizer.step()
    params[2].sum().backward()  # has no state yet
    spoil(params[1])
    before, state = values(params), copy.deepcopy(optimizer.state_dict())
    with pytest.raises((ValueError, TypeError), match=text):
        optimizer.step()
    for p, expected in zip(params, before, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), expected)
    after = optimizer.state_dict()
    assert list(after["state"]) == list(state["state"]) == [0, 1]
    for number, entries in state["state"].items():
        for key, value in entries.items():
            kept = after["state"][number][key]
            np.testing.assert_array_equal(np.asarray(kept), np.asarray(value))


def test_state_that_does_not_fit() -> None:
    def stepped(*shapes: Any, name: str = "Adam") -> Any:
        params = [ag.ones(*shape, requires_grad=True) for shape in shapes]
        ag.stack([p.sum() for p in params]).sum().backward()
        options = {"momentum": 0.9} if name == "SGD" else {}
        optimizer = getattr(optim, name)(params, lr=0.1, **options)
        optimizer.step()
        return optimizer

    optimizer = stepped((2,), (3,))
    before = copy.deepcopy(optimizer.state_dict())
    bad: list[tuple[Any, str]] = [
        (stepped((2,)).state_dict(), r"groups of \[1\] parameters in the state, of \[2\]"),
        (
            stepped((2,), (4,)).state_dict(),
            r"parameter 1: exp_avg: expected floats of shape \(3,\)",
        ),
        (stepped((2,), (3,), name="SGD").state_dict(), "parameter 0 has no step, exp_avg"),
        ({"state": {}}, "this is no optimiser's state"),
        ([1], "this is no optimiser's state"),
        ({**before, "state": {5: {}}}, "unknown parameter 5"),
        ({**before, "param_groups": [{**before["param_groups"][0], "lr": -1}]}, "lr of at least 0"),
    ]
    for state, text in bad:
        with pytest.raises(ValueError, match=text):
            optimizer.load_state_dict(state)
        assert optimizer.state_dict()["param_groups"] == before["param_groups"]
        np.testing.assert_array_equal(
            optimizer.state_dict()["state"][1]["exp_avg"].numpy(),
            before["state"][1]["exp_avg"].numpy(),
        )
