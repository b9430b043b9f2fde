"""Learning-rate schedules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import optim

SCHEDULERS: list[Callable[[Any, Any], Any]] = [
    lambda s, o: s.StepLR(o, 3, gamma=0.5),
    lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], gamma=0.5),
    lambda s, o: s.ExponentialLR(o, 0.9),
    lambda s, o: s.LambdaLR(o, lambda epoch: 1.0 / (epoch + 1)),
    lambda s, o: s.LambdaLR(o, [lambda epoch: 0.5**epoch, lambda epoch: float(epoch)]),
    lambda s, o: s.LinearLR(o, 0.1, 0.7, total_iters=4),
    lambda s, o: s.CosineAnnealingLR(o, 5, eta_min=0.01),
    lambda s, o: s.CosineAnnealingLR(o, 4),
    lambda s, o: s.CosineAnnealingLR(o, 1),
    lambda s, o: s.ConstantLR(o, 0.3, 4),
    lambda s, o: s.PolynomialLR(o, 6, 1.5),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, eta_min=0.01),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, 2),
    lambda s, o: s.OneCycleLR(o, 0.7, total_steps=15, cycle_momentum=False),
    lambda s, o: s.OneCycleLR(
        o,
        [0.7, 0.2],
        epochs=5,
        steps_per_epoch=4,
        pct_start=0.4,
        anneal_strategy="linear",
        three_phase=True,
        cycle_momentum=False,
    ),
    lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=3), s.ExponentialLR(o, 0.9)], [3]
    ),
    lambda s, o: s.MultiplicativeLR(o, lambda epoch: 0.9 - 0.01 * epoch),
    lambda s, o: s.ChainedScheduler([s.LinearLR(o, 0.1, total_iters=3), s.ExponentialLR(o, 0.9)]),
    lambda s, o: s.CyclicLR(o, 0.1, [0.5, 0.7], 3, 2, cycle_momentum=False),
    lambda s, o: s.CyclicLR(o, [0.1, 0.2], 0.5, 2, mode="triangular2", cycle_momentum=False),
    lambda s, o: s.CyclicLR(o, 0.1, 0.5, 4, mode="exp_range", gamma=0.9, cycle_momentum=False),
    lambda s, o: s.CyclicLR(o, 0.1, 0.5, 3, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 9), s.StepLR(o, 2), s.CosineAnnealingLR(o, 4)], [2, 7]
    ),
]


def two_groups(lib: Any) -> Any:
    params = [lib.ones(1, requires_grad=True) for _ in range(2)]
    return lib.optim.SGD([{"params": [params[0]]}, {"params": [params[1]], "lr": 0.5}], lr=0.1)


@pytest.mark.parametrize("make", SCHEDULERS)
def test_schedules_follow_pytorch(make: Any) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = two_groups(torch), two_groups(ag)
    their_schedule = make(torch.optim.lr_scheduler, theirs)
    our_schedule = make(optim.lr_scheduler, ours)
    for _ in range(14):
        np.testing.assert_allclose(
            our_schedule.get_last_lr(), their_schedule.get_last_lr(), rtol=1e-12, atol=1e-15
        )
        assert our_schedule.get_last_lr() == [group["lr"] for group in ours.param_groups]
        theirs.step(), ours.step()
        their_schedule.step(), our_schedule.step()


@pytest.mark.parametrize("make", SCHEDULERS)
def test_schedules_go_on_where_they_were(make: Any) -> None:
    def run(optimizer: Any, schedule: Any, n: int) -> list[list[float]]:
        rates = []
        for _ in range(n):
            schedule.step()
            rates.append(schedule.get_last_lr())
        return rates

    optimizer = two_groups(ag)
    schedule = make(optim.lr_scheduler, optimizer)
    run(optimizer, schedule, 4)
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    expected = run(optimizer, schedule, 6)
    again = two_groups(ag)
    other = make(optim.lr_scheduler, again)
    again.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    assert run(again, other, 6) == expected


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_one_cycle_turns_the_momentum(name: str) -> None:
    torch = pytest.importorskip("torch")
    options = {"momentum": 0.9} if name == "SGD" else {}
    sides = []
    for lib in (torch, ag):
        optimizer = getattr(lib.optim, name)([lib.ones(1, requires_grad=True)], lr=0.1, **options)
        schedule = lib.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=10)
        seen = []
        for _ in range(9):
            group = optimizer.param_groups[0]
            seen.append((group["lr"], group["momentum"] if name == "SGD" else group["betas"][0]))
            optimizer.step(), schedule.step()
        sides.append(seen)
    np.testing.assert_allclose(sides[1], sides[0], rtol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"mode": "max", "patience": 0, "cooldown": 2, "factor": 0.5},
        {"patience": 0, "threshold": 0.3, "threshold_mode": "abs", "min_lr": [0.01, 0.2]},
        {"patience": 0, "eps": 0.02},
    ],
)
def test_plateaus_follow_pytorch(options: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = two_groups(torch), two_groups(ag)
    their_schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **options)
    our_schedule = optim.lr_scheduler.ReduceLROnPlateau(ours, **options)
    for i in range(20):
        loss = float(rng.random() + 3 / (i + 1))
        their_schedule.step(loss), our_schedule.step(ag.tensor(loss, dtype=ag.float64))
        np.testing.assert_allclose(our_schedule.get_last_lr(), their_schedule.get_last_lr())
        if i == 9:
            again = optim.lr_scheduler.ReduceLROnPlateau(ours, **options)
            again.load_state_dict(copy.deepcopy(our_schedule.state_dict()))
            our_schedule = again


def test_schedules_combine() -> None:
    optimizer = two_groups(ag)
    warmup = optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2)
    decay = optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for _ in range(2):
        warmup.step(), decay.step()
    np.testing.assert_allclose(decay.get_last_lr(), [0.1 / 4, 0.5 / 4])


def test_scheduler_errors() -> None:
    optimizer = two_groups(ag)
    schedulers = optim.lr_scheduler
    with pytest.raises(TypeError, match="expected an Optimizer"):
        schedulers.StepLR(3, 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="step_size"):
        schedulers.StepLR(optimizer, 0)
    with pytest.raises(ValueError, match="3 functions for 2 groups"):
        schedulers.LambdaLR(optimizer, [abs] * 3)
    with pytest.raises(KeyError, match="initial_lr"):
        schedulers.StepLR(optimizer, 1, last_epoch=3)
    for make, text in (
        (lambda: schedulers.ConstantLR(optimizer, 0.0), "ConstantLR: .*factor"),
        (lambda: schedulers.PolynomialLR(optimizer, 0), "PolynomialLR: .*total_iters"),
        (lambda: schedulers.CosineAnnealingWarmRestarts(optimizer, 0), "T_0"),
        (lambda: schedulers.OneCycleLR(optimizer, 0.1), "total_steps"),
        (lambda: schedulers.OneCycleLR(optimizer, 0.1, 5, pct_start=2.0), "pct_start"),
        (lambda: schedulers.OneCycleLR(optimizer, 0.1, 5, anneal_strategy="step"), "'step'"),
        (lambda: schedulers.OneCycleLR(optimizer, [0.1], 5), "1 rates for 2 groups"),
        (lambda: schedulers.ReduceLROnPlateau(optimizer, factor=1.0), "factor below 1"),
        (lambda: schedulers.ReduceLROnPlateau(optimizer, "best"), "'best'"),
        (lambda: schedulers.ReduceLROnPlateau(optimizer, min_lr=[0.1]), "min_lr for 2 groups"),
        (lambda: schedulers.SequentialLR(optimizer, [schedulers.StepLR(optimizer, 1)], [2]),
         "expected 0 milestones"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            make()
    adadelta = optim.Adadelta([ag.ones(1, requires_grad=True)])
    with pytest.raises(ValueError, match="momentum or betas"):
        schedulers.OneCycleLR(adadelta, 0.1, 5)
    cycle = schedulers.OneCycleLR(optimizer, 0.1, 2, cycle_momentum=False)
    cycle.step(), cycle.step()
    with pytest.raises(ValueError, match="step 4 of a cycle of 2 steps"):
        cycle.step()
    other = schedulers.StepLR(adadelta, 1)
    with pytest.raises(ValueError, match="another optimiser"):
        schedulers.SequentialLR(optimizer, [other, other], [2])
    with pytest.raises(ValueError, match="unknown entries"):
        schedulers.StepLR(optimizer, 1).load_state_dict({"T_max": 3})


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_cycles_move_the_momentum_too(name: str) -> None:
    torch = pytest.importorskip("torch")

    def run(library: Any) -> list[Any]:
        options = {"momentum": 0.5} if name == "SGD" else {}
        optimizer = getattr(library.optim, name)(
            [library.ones(1, requires_grad=True)], lr=0.1, **options
        )
        schedule = library.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.5, 3, 2)
        seen = []
        for _ in range(9):
            group = optimizer.param_groups[0]
            seen.append((group["lr"], group["momentum" if options else "betas"]))
            optimizer.step()
            schedule.step()
        return seen

    for got, want in zip(run(ag), run(torch), strict=True):
        np.testing.assert_allclose(np.hstack(got), np.hstack(want), rtol=1e-12)


def test_states_of_chained_and_cyclic_schedules() -> None:
    s = optim.lr_scheduler
    for make in (
        lambda o: s.ChainedScheduler([s.StepLR(o, 2, 0.5), s.ExponentialLR(o, 0.9)]),
        lambda o: s.CyclicLR(o, 0.1, 0.5, 3, 2, "triangular2", cycle_momentum=False),
    ):
        optimizers = two_groups(ag), two_groups(ag)
        first, second = map(make, optimizers)
        for _ in range(4):
            first.step()
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        optimizers[1].load_state_dict(optimizers[0].state_dict())
        for _ in range(4):
            first.step()
            second.step()
            assert first.get_last_lr() == second.get_last_lr()


def test_arguments_of_chained_and_cyclic_schedules() -> None:
    s, optimizer = optim.lr_scheduler, two_groups(ag)
    with pytest.raises(ValueError, match="ChainedScheduler: expected at least one scheduler"):
        s.ChainedScheduler([])
    with pytest.raises(ValueError, match="ChainedScheduler: scheduler 1 belongs to another"):
        s.ChainedScheduler([s.StepLR(optimizer, 2), s.StepLR(two_groups(ag), 2)])
    with pytest.raises(ValueError, match="CyclicLR: 3 values of max_lr for 2 groups"):
        s.CyclicLR(optimizer, 0.1, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="CyclicLR: mode is triangular, triangular2"):
        s.CyclicLR(optimizer, 0.1, 0.2, mode="round")
    with pytest.raises(ValueError, match="CyclicLR: cycle_momentum needs an optimiser with"):
        s.CyclicLR(optim.Adagrad([ag.ones(1, requires_grad=True)]), 0.1, 0.2)
