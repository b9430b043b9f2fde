"""State that compiled functions leave: attributes, random numbers, and gradients of arguments."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from programs import Program, assert_compiles, on, rows

import pyautograd as ag
from pyautograd import nn
from pyautograd.static import GraphError

F = nn.functional
PROGRAMS: list[Program] = []
program = PROGRAMS.append


class Layer(nn.Module):
    """A linear layer, and whatever a test does around it."""

    def __init__(self, forward: Callable[..., Any], **attributes: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        for name, value in attributes.items():
            setattr(self, name, value)
        object.__setattr__(self, "forward", types.MethodType(forward, self))


# ---- attributes of modules -----------------------------------------------------------------------


@program
def a_hidden_state(compile: Any) -> Any:
    def forward(self: Any, x: ag.Tensor) -> ag.Tensor:
        if self.h is None or self.h.shape != x.shape:
            self.h = ag.zeros_like(x)
        self.h = ag.tanh(self.linear(x) + self.h).detach()
        return self.h * 1

    model = Layer(forward, h=None)
    f = compile(model)

    def call(n: int) -> Any:
        if n == 0:
            model.h = None
        return f(ag.randn(n or 2, 3)), model.h

    return on(call, *[(n,) for n in (2, 2, 2, 0, 4, 2, 2)]), [model]


@program
def something_kept_to_be_looked_at(compile: Any) -> Any:
    def forward(self: Any, x: ag.Tensor) -> ag.Tensor:
        self.shares = ag.softmax(self.linear(x), -1)
        return self.shares * x

    model = Layer(forward)
    f, kept = compile(model), []

    def call(x: ag.Tensor) -> Any:
        f(x).sum().backward()
        kept.append(model.shares.detach())
        return list(kept)

    return on(call, *rows(3, 2, 3)), [model]


@program
def buffers_that_are_assigned(compile: Any) -> Any:
    def forward(self: Any, x: ag.Tensor) -> ag.Tensor:
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return x - self.mean

    model = Layer(forward, calls=nn.Buffer(ag.zeros(())), mean=nn.Buffer(ag.zeros(3)))
    return on(compile(model), *rows(4, 2, 3)), [model]


@program
def a_count_in_python(compile: Any) -> Any:
    def forward(self: Any, x: ag.Tensor) -> ag.Tensor:
        self.calls += 1
        return self.linear(x).detach() * self.calls

    model = Layer(forward, calls=0)
    return on(compile(model), *rows(3, 2, 3)), [model]


@program
def averages_over_all_batches(compile: Any) -> Any:
    norm = nn.BatchNorm1d(3, momentum=None)

    def step(x: ag.Tensor) -> Any:
        first = norm(x)
        before = norm.running_mean.clone()  # type: ignore[union-attr]
        return first + norm(first * 2), before, norm.num_batches_tracked + 0

    return on(compile(step), *rows(4, 6, 3)), [norm]


# ---- random numbers ------------------------------------------------------------------------------


@program
def random_functions(compile: Any) -> Any:
    other = ag.Generator()

    def f(x: ag.Tensor) -> Any:
        unused = ag.rand(2)
        del unused
        last = ag.randn(3)  # used after the others
        found = [
            ag.rand(3), ag.randint(0, 9, (4,)), ag.randperm(5), ag.randn_like(x),
            ag.randint_like(x, 0, 5), ag.bernoulli(x * 0.5), ag.normal(x, 2.0),
            ag.rand(2, generator=other), ag.zeros(4).uniform_(), ag.zeros(4).normal_(),
            ag.zeros(4).exponential_(), F.dropout(x, 0.5), F.alpha_dropout(x, 0.5, True),
            F.dropout1d(x[None], 0.5), F.gumbel_softmax(x, hard=True), F.rrelu(-x, training=True),
        ]  # fmt: skip
        return found, last * 2

    g = compile(f)

    def call(seed: int | None) -> Any:
        if seed is not None:
            ag.manual_seed(seed)
            other.manual_seed(seed)
        return g(ag.ones(2, 6))

    return on(call, *[(seed,) for seed in (1, None, 2, 1)]), []


@program
def initialisers(compile: Any) -> Any:
    layer, init = nn.Linear(4, 3), nn.init
    weights = [ag.zeros(4, 3) for _ in range(6)]

    def f(x: ag.Tensor) -> Any:
        for w, fill in zip(
            weights,
            (init.uniform_, init.xavier_normal_, init.kaiming_uniform_, init.trunc_normal_,
             init.orthogonal_, lambda w: init.sparse_(w, 0.3)),
            strict=True,
        ):  # fmt: skip
            fill(w)
        layer.reset_parameters()
        return layer(x).detach() + nn.Linear(4, 3)(x).detach(), [w * 1 for w in weights]

    return on(compile(f), *rows(3, 2, 4)), [layer, weights]


# ---- arguments with gradients --------------------------------------------------------------------


@program
def a_model_in_compiled_parts(compile: Any) -> Any:
    parts = [nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Dropout(0.2)) for _ in range(3)]
    compiled = list(map(compile, parts))
    optimizer = ag.optim.SGD([p for m in parts for p in m.parameters()], lr=0.1)

    def step(x: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        for part in (*compiled, compiled[0]):
            x = part(x)
        loss = x.square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return on(step, *rows(3, 2, 4)), [*parts, optimizer]


@program
def arguments_on_and_off_the_tape(compile: Any) -> Any:
    model, v = nn.Linear(3, 2), ag.randn(2, 3, requires_grad=True)
    f = compile(lambda x, y: (model(x.detach()).sum() + (x * y).sum() + x.mean(), x, y[0]))

    def call(kind: str) -> Any:
        x = {"plain": ag.ones(2, 3), "leaf": v, "taped": v.exp()}[kind]
        total, same, row = f(x, x if kind == "taped" else ag.ones(2, 3))
        total = total + same.sum() + row.sum()
        total.backward()
        return total.detach()

    kinds = ("plain", "taped", "plain", "leaf", "taped", "leaf")
    return on(call, *[(kind,) for kind in kinds]), [model, v]


@program
def backward_inside_goes_on_outside(compile: Any) -> Any:
    model, v = nn.Linear(3, 1), ag.randn(2, 3, requires_grad=True)

    def step(x: ag.Tensor) -> ag.Tensor:
        model.zero_grad()
        loss = model(x).sum()
        loss.backward()
        return loss.detach()

    f = compile(step)
    return [lambda: f(v.exp())] * 3, [model, v]


@program
def gradients_of_arguments_inside(compile: Any) -> Any:
    v = ag.randn(3, requires_grad=True)

    def slope(x: ag.Tensor) -> Any:
        (g,) = ag.autograd.grad((x**3).sum(), x, create_graph=True)
        return (g * x).sum(), g.detach()

    f = compile(slope)

    def call() -> Any:
        total, g = f(v.exp())
        total.backward()
        return g

    return [call] * 2, [v]


@program
def recording_on_inside_and_off_outside(compile: Any) -> Any:
    model = nn.Linear(3, 2)

    def f(x: ag.Tensor) -> Any:
        with ag.enable_grad():
            a = model(x)
        with ag.inference_mode():
            b = model(x)
        return a, b

    g = compile(f)

    def call(off: bool) -> Any:
        with ag.set_grad_enabled(not off):
            a, b = g(ag.ones(1, 3))
        return a.requires_grad, b.requires_grad, a.detach(), b

    return on(call, (False,), (True,), (False,)), [model]


# ---- what goes in and out ------------------------------------------------------------------------


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Batch:
    x: Any
    more: list[Any]


@dataclasses.dataclass(frozen=True)
class Output:
    y: Any
    name: str


@program
def containers(compile: Any) -> Any:
    def f(batch: Batch, *, pair: Pair) -> Any:
        y = batch.x * pair.a + batch.more[0]["k"]
        return Output(y, "sum"), Pair(y, {"n": [None, "s", 3, y[0]]}), Batch(pair.b, [y])

    g = compile(f)
    kept = Batch(ag.ones(2), [{"k": ag.ones(2)}])

    def call(i: int) -> Any:
        kept.x = ag.full((2,), float(i))
        return g(kept, pair=Pair(2 if i == 2 else ag.randn(2), ag.ones(1)))

    return on(call, *[(i,) for i in range(4)]), []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_state_is_what_it_is_eagerly(program: Program) -> None:
    assert_compiles(program)


def test_one_trace_serves_all_arguments_on_the_tape() -> None:
    f = ag.compile(lambda x: (x * x).sum())
    v = ag.ones(3, requires_grad=True)
    for i in range(4):
        f(v * float(i)).backward()
    assert sum(map(len, f._programs.values())) == 1


def test_transforms_go_through_compiled_functions() -> None:
    f = ag.compile(lambda x: (x * x * x).sum())
    x = ag.tensor([1.0, 2.0])
    assert ag.func.vmap(f)(x[:, None]).tolist() == [1.0, 8.0]
    assert ag.func.hessian(f)(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]


@pytest.mark.parametrize("where", ["a list", "a dict", "an object", "a closure"])
def test_symbols_do_not_get_away(where: str) -> None:
    log: list[Any] = []
    kept: dict[str, Any] = {}
    thing, last = types.SimpleNamespace(y=None), None

    def f(x: ag.Tensor) -> ag.Tensor:
        nonlocal last
        y = x * 2
        if where == "a list":
            log.append(y)
        elif where == "a dict":
            kept["y"] = y
        elif where == "an object":
            thing.y = y
        else:
            last = y
        return y

    with pytest.raises(GraphError, match=r"puts a tensor that it computes into .* return the"):
        ag.compile(f)(ag.ones(2))
    assert (log, kept, thing.y, last) == ([], {}, None, None)


def test_values_from_outside_are_not_read_once() -> None:
    level, model = ag.tensor(2.0), nn.BatchNorm1d(2)
    for read in (
        lambda x: x * level.item(),
        lambda x: x * 2 if level > 1 else x,
        lambda x: x * int(model.num_batches_tracked),  # type: ignore[arg-type]
        lambda x: x * level.tolist(),
    ):
        with pytest.raises(GraphError, match=r"test_compile_state\.py"):
            ag.compile(read)(ag.ones(2))
    assert ag.compile(lambda x: x * ag.tensor(3.0).item())(ag.ones(1)).item() == 3.0


def test_an_optimiser_is_made_outside() -> None:
    def f(x: ag.Tensor) -> None:
        ag.optim.SGD([x.clone().requires_grad_()], lr=0.1)

    with pytest.raises(GraphError, match="making an optimiser cannot be part"):
        ag.compile(f)(ag.ones(2))


def test_data_of_another_shape_is_refused() -> None:
    w = ag.ones(2)

    def f(x: ag.Tensor) -> None:
        w.data = x

    ag.compile(f)(ag.full((2,), 3.0))
    assert w.tolist() == [3.0, 3.0]
    with pytest.raises(GraphError, match=r"data: a tensor of float32 and shape \(2,\) cannot"):
        ag.compile(f)(ag.ones(3))
    assert np.array_equal(w.numpy(), [3.0, 3.0])
