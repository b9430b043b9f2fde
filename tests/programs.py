"""Runs programs eagerly and compiled, and compares all that they leave after each call."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import pyautograd as ag
from pyautograd import nn

# What makes a program: given what compiles its functions, it returns the calls to make one after
# the other, and what to compare after each: modules, optimisers and tensors.
Program = Callable[[Any], tuple[list[Callable[[], Any]], list[Any]]]


def state_of(x: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values in x by name: copies of arrays, and other values as they are."""
    if isinstance(x, ag.Tensor):
        yield path, x.detach().numpy().copy()
        yield f"{path}.grad", None if x.grad is None else x.grad.detach().numpy().copy()
    elif isinstance(x, nn.Module):
        for name, t in [*x.named_parameters(), *x.named_buffers()]:
            yield from state_of(t, f"{path}.{name}")
    elif isinstance(x, ag.optim.Optimizer):
        yield from state_of(x.state_dict(), path)
    elif isinstance(x, dict):
        for key, value in x.items():
            yield from state_of(value, f"{path}[{key!r}]")
    elif isinstance(x, (list, tuple)):
        yield path, type(x).__name__
        for i, value in enumerate(x):
            yield from state_of(value, f"{path}[{i}]")
    elif hasattr(x, "__dataclass_fields__"):
        yield path, type(x).__name__
        for name in x.__dataclass_fields__:
            yield from state_of(getattr(x, name), f"{path}.{name}")
    else:
        yield path, x


def _history(program: Program, compile: Any) -> list[dict[str, Any]]:
    """What there is after each call, RNG included; of a call that raises, the kind of error."""
    ag.manual_seed(0)
    calls, watched = program(compile)
    found = []
    for call in calls:
        try:
            result = call()
        except (ValueError, IndexError, RuntimeError) as error:
            result = type(error).__name__
        after = dict(state_of([result, *watched], "result"))
        after["random numbers"] = repr(ag.get_rng_state())
        found.append(after)
    return found


def assert_compiles(program: Program) -> None:
    """The program does the same, bit for bit, with its functions compiled."""
    eager = _history(program, lambda function, **options: function)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that something is traced often
        compiled = _history(program, ag.compile)
    for i, (expected, got) in enumerate(zip(eager, compiled, strict=True)):
        assert list(expected) == list(got), f"call {i}"
        for name, value in expected.items():
            where = f"call {i}: {name}"
            if isinstance(value, np.ndarray):
                assert got[name].dtype == value.dtype, where
                np.testing.assert_array_equal(got[name], value, err_msg=where)
            else:
                assert got[name] == value, where


def step_of(model: nn.Module, optimizer: Any) -> Callable[[ag.Tensor], ag.Tensor]:
    """A training step: the mean square of what the model makes of x."""

    def step(x: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def adam(*models: nn.Module) -> Any:
    return ag.optim.Adam([p for m in models for p in m.parameters()], lr=0.01)


def on(function: Callable[..., Any], *arguments: tuple[Any, ...]) -> list[Callable[[], Any]]:
    """A call of the function for each tuple of arguments."""
    return [functools.partial(function, *args) for args in arguments]


def rows(count: int, *shape: int) -> list[tuple[ag.Tensor]]:
    """Random arguments for so many calls."""
    return [(ag.randn(*shape),) for _ in range(count)]
