"""What changes between the calls of a compiled function is noticed, or read anew."""

from __future__ import annotations

import copy
import types
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from programs import Program, adam, assert_compiles, on, rows, step_of

import pyautograd as ag
from pyautograd import nn

F = nn.functional
PROGRAMS: list[Program] = []
program = PROGRAMS.append


def between(call: Callable[[], Any], count: int, changes: dict[int, Callable[[], Any]]) -> Any:
    """So many calls, with a change before some."""

    def numbered(i: int) -> Callable[[], Any]:
        def changed() -> Any:
            if i in changes:
                changes[i]()
            return call()

        return changed

    return [numbered(i) for i in range(count)]


# ---- modules -------------------------------------------------------------------------------------


def _training(compile: Any, model: nn.Module, width: int = 4) -> tuple[Any, Any, Callable[[], Any]]:
    optimizer = ag.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    f = compile(step_of(model, optimizer))
    return optimizer, [model, optimizer], lambda: f(ag.randn(3, width))


@program
def layers_hooks_and_attributes(compile: Any) -> Any:
    model = nn.Sequential(nn.Linear(4, 3), nn.LeakyReLU(0.1), nn.Dropout(0.1))
    _, watched, call = _training(compile, model)
    handles: list[Any] = []
    changes = {
        1: lambda: setattr(model[1], "negative_slope", 0.5),
        2: lambda: setattr(model[2], "p", 0.9),
        3: lambda: model.append(nn.Tanh()),
        4: lambda: model.__setitem__(3, nn.Sigmoid()),
        5: lambda: handles.append(model[0].register_forward_hook(lambda m, x, y: y * 2.0)),
        6: lambda: handles.append(model[0].weight.register_hook(lambda g: g * 2.0)),
        7: lambda: [handle.remove() for handle in handles],
        8: lambda: model.__delitem__(3),
        9: lambda: model.eval(),
    }
    return between(call, 11, changes), watched


@program
def parameters(compile: Any) -> Any:
    model = nn.Linear(4, 2)
    f = compile(lambda x: model(x).square().sum())

    def call() -> Any:
        y = f(ag.ones(1, 4))
        y.backward()
        return y

    def to(value: float) -> None:
        with ag.no_grad():
            model.weight[0, 0] = value

    changes = {
        1: lambda: to(7.0),
        2: lambda: setattr(model, "weight", nn.Parameter(ag.ones(2, 4))),
        3: lambda: setattr(model.weight, "data", ag.full((2, 4), 2.0)),
        4: lambda: setattr(model, "bias", None),
        5: lambda: model.weight.requires_grad_(False),
        6: lambda: model.weight.requires_grad_(True),
    }
    return between(call, 5, changes), [model]


@program
def layers_in_a_list(compile: Any) -> Any:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

        def forward(self, x: ag.Tensor) -> ag.Tensor:
            for layer in self.layers:
                x = layer(x).tanh()
            return x

    model = Stack()
    f = compile(model)
    call = lambda: f(ag.ones(1, 4)).detach()  # noqa: E731
    changes = {
        1: lambda: model.layers.append(nn.Linear(4, 4)),
        2: lambda: model.layers.__delitem__(0),
    }
    return between(call, 4, changes), []


@program
def frozen_and_loaded(compile: Any) -> Any:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh())
    optimizer, watched, call = _training(compile, model)
    saved: list[Any] = []
    changes = {
        1: lambda: saved.extend(copy.deepcopy([model.state_dict(), optimizer.state_dict()])),
        2: lambda: model[0].requires_grad_(False),
        4: lambda: model[0].requires_grad_(True),
        5: lambda: (model.load_state_dict(saved[0]), optimizer.load_state_dict(saved[1])),
    }
    return between(call, 7, changes), watched


# ---- optimisers ----------------------------------------------------------------------------------


@program
def groups_of_parameters(compile: Any) -> Any:
    first, second = nn.Linear(4, 5), nn.Linear(5, 2)
    optimizer = ag.optim.SGD(first.parameters(), lr=0.1, momentum=0.5)
    f = compile(step_of(nn.Sequential(first, second), optimizer))
    groups = optimizer.param_groups
    changes = {
        2: lambda: groups[0].update(lr=0.01),
        3: lambda: optimizer.add_param_group({"params": second.parameters(), "lr": 0.5}),
        5: lambda: (groups[0].update(momentum=0.0), groups[1].update(weight_decay=0.1)),
    }
    return between(lambda: f(ag.randn(3, 4)), 7, changes), [first, second, optimizer]


@program
def a_rate_set_inside(compile: Any) -> Any:
    model = nn.Linear(3, 2)
    optimizer = ag.optim.SGD(model.parameters(), lr=0.1)

    def step(x: ag.Tensor, rate: float) -> ag.Tensor:
        optimizer.param_groups[0]["lr"] = rate
        return step_of(model, optimizer)(x)

    arguments = [(ag.randn(2, 3), rate) for rate in (0.1, 0.2, 0.1)]
    return on(compile(step), *arguments), [model, optimizer]


@program
def all_schedules(compile: Any) -> Any:
    model = nn.Linear(4, 3)
    optimizer, watched, call = _training(compile, model)
    of = ag.optim.lr_scheduler
    schedules = [
        of.StepLR(optimizer, 2), of.ExponentialLR(optimizer, 0.9), of.MultiStepLR(optimizer, [1]),
        of.CosineAnnealingLR(optimizer, 10), of.OneCycleLR(optimizer, 0.2, total_steps=20),
        of.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
    ]  # fmt: skip
    plateau = of.ReduceLROnPlateau(optimizer, patience=0)

    def step() -> Any:
        loss = call()
        for schedule in schedules:
            schedule.step()
        plateau.step(loss)
        return loss

    return [step] * 5, watched


@program
def gradients_from_elsewhere(compile: Any) -> Any:
    used, other = nn.Linear(3, 2), nn.Linear(3, 2)
    optimizer = ag.optim.SGD([*used.parameters(), *other.parameters()], lr=0.1)

    def step(x: ag.Tensor) -> ag.Tensor:
        loss = used(x).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    f = compile(step)
    backward = lambda: other(ag.ones(1, 3)).sum().backward()  # noqa: E731
    changes: Any = {1: backward, 3: backward, 4: optimizer.zero_grad}
    return between(lambda: f(ag.ones(2, 3)), 7, changes), [used, other, optimizer]


@program
def sometimes_one_sometimes_the_other(compile: Any) -> Any:
    models = nn.Linear(3, 2), nn.Linear(3, 2)
    optimizer = adam(*models)

    def step(x: ag.Tensor, which: int) -> ag.Tensor:
        return step_of(models[which], optimizer)(x)

    arguments = [(ag.randn(2, 3), which) for which in (0, 0, 1, 0, 1, 1)]
    return on(compile(step), *arguments), [*models, optimizer]


@program
def gradients_cleared_in_two_ways(compile: Any) -> Any:
    model = nn.Linear(4, 5)
    optimizer = ag.optim.SGD(model.parameters(), lr=0.1)

    def step(x: ag.Tensor, to_none: bool, late: bool) -> ag.Tensor:
        if not late:
            optimizer.zero_grad(set_to_none=to_none)
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        if late:
            optimizer.zero_grad(set_to_none=to_none)
        return loss

    ways = [(True, True), (False, False), (False, True), (True, False), (False, True)]
    return on(compile(step), *[(ag.randn(3, 4), *way) for way in ways]), [model, optimizer]


# ---- what the function names ---------------------------------------------------------------------

SCALE = 1.0


def _scaled(x: ag.Tensor) -> ag.Tensor:
    return x * SCALE


def _set_scale(value: float) -> None:
    global SCALE
    SCALE = value


@program
def globals_and_helpers(compile: Any) -> Any:
    f = compile(lambda x: _scaled(x) + 1)
    changes = {1: lambda: _set_scale(3.0), 2: lambda: _set_scale(-0.0), 3: lambda: _set_scale(1.0)}
    return between(lambda: 1 / f(ag.ones(2)), 4, changes), []


@program
def closures(compile: Any) -> Any:
    model, weight, sizes = nn.Linear(3, 2), ag.ones(2), (1.0, 2.0)
    optimizer = ag.optim.SGD(model.parameters(), lr=0.1)
    others = nn.Linear(3, 2), ag.full((2,), 5.0)

    def step(x: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = (model(x) * weight).square().sum() * sizes[-1]
        loss.backward()
        optimizer.step()
        return loss

    def swap(what: int) -> None:
        nonlocal model, weight, sizes, optimizer
        if what == 1:
            model = others[0]
        elif what == 2:
            weight = others[1]
        elif what == 3:
            sizes = (1.0, 2.0, 3.0)
        else:
            optimizer = ag.optim.SGD(model.parameters(), lr=0.001)

    f = compile(step)
    changes: Any = {i: (lambda i=i: swap(i)) for i in (1, 2, 3, 4)}
    return between(lambda: f(ag.ones(1, 3)), 6, changes), [model, others[0]]


@program
def attributes_and_settings(compile: Any) -> Any:
    class Trainer:
        def __init__(self) -> None:
            self.model, self.scale, self.calls = nn.Linear(3, 2), 1.0, 0
            self.step = compile(self.run)

        def run(self, x: ag.Tensor) -> ag.Tensor:
            return self.model(x) * self.scale * settings["factor"] * other.offset

    settings = {"factor": 1.0, "unused": 0}
    trainer, other = Trainer(), types.SimpleNamespace(offset=2.0)

    def call() -> Any:
        trainer.calls += 1  # the function does not read it
        settings["unused"] += 1
        return trainer.step(ag.ones(1, 3)).detach()

    changes = {
        1: lambda: setattr(trainer, "scale", 3.0),
        2: lambda: settings.update(factor=0.5),
        3: lambda: setattr(other, "offset", 0.0),
        4: lambda: setattr(trainer, "model", nn.Linear(3, 2)),
    }
    return between(call, 6, changes), []


@program
def counts_in_python(compile: Any) -> Any:
    count = {"calls": 0}

    def f(x: ag.Tensor) -> ag.Tensor:
        count["calls"] += 1
        return x * count["calls"]

    g = compile(f)
    return [lambda: (g(ag.ones(2)), count["calls"])] * 3, []


@program
def elements_of_an_index(compile: Any) -> Any:
    places, mask = ag.tensor([0, 2]), ag.tensor([True, False, True])
    f = compile(lambda x: (x[places], x[mask], x.index_select(0, places)))

    def change() -> None:
        places[0] = 1
        mask[0] = False

    return between(lambda: f(ag.arange(3.0)), 3, {1: change}), []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_changes_are_noticed(program: Program) -> None:
    assert_compiles(program)


data: Any = None  # a name that is also that of an attribute


def test_what_the_function_does_not_read_may_change() -> None:
    global data

    class Trainer:
        def __init__(self) -> None:
            self.scale, self.calls, self.step = 2.0, 0, 0
            self.optimizer = ag.optim.SGD([ag.ones(1, requires_grad=True)], lr=0.1)

        @ag.compile
        def run(self, x: ag.Tensor) -> ag.Tensor:
            self.optimizer.step()
            return x.data * self.scale

    trainer = Trainer()
    for i in range(5):
        trainer.calls = trainer.step = data = i
        assert trainer.run(ag.ones(1)).item() == 2.0
    assert sum(map(len, Trainer.run._programs.values())) == 1


def test_the_note_names_what_has_changed() -> None:
    layer = nn.LeakyReLU(0.1)
    f = ag.compile(lambda x: layer(x))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(10):
            layer.negative_slope = i / 10
            f(ag.ones(1))
    (note,) = [str(w.message) for w in caught]
    assert note.endswith("; LeakyReLU.negative_slope has changed")


@pytest.mark.parametrize("values", [(0.0, -0.0), (1, True), (1, 1.0), (float("nan"), 0.0)])
def test_numbers_that_are_equal_and_not_the_same(values: Any) -> None:
    f = ag.compile(lambda x, k: (x / k, isinstance(k, bool)))
    for k in (*values, *values):
        assert repr(f(ag.ones(1), k)) == repr((ag.ones(1) / k, isinstance(k, bool)))


def test_many_models_leave_nothing_behind() -> None:
    import gc
    import weakref

    gone = []
    for _ in range(3):
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        f = ag.compile(step_of(model, adam(model)))
        for (x,) in rows(2, 4, 3):
            f(x)
        gone += [weakref.ref(model), weakref.ref(model[0].weight._array)]
    del model, f
    gc.collect()
    assert [ref() for ref in gone] == [None] * 6
