"""The gradients of functions that return a scalar."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.func.pytree import rebuild
from pyautograd.func.reverse import kind_of, run_on_own
from pyautograd.tensor import Tensor, wrap

Argnums = int | tuple[int, ...]


def chosen(op: str, argnums: Argnums, args: tuple[Any, ...]) -> tuple[int, ...]:
    """The positions that `argnums` means, each in [0, len(args))."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if (
        not isinstance(numbers, tuple)
        or not numbers
        or not all(isinstance(n, int) for n in numbers)
    ):
        raise RuntimeError(f"{op}: argnums is an integer or a tuple of them, got {argnums!r}")
    for n in numbers:
        if not -len(args) <= n < len(args):
            raise RuntimeError(f"{op}: argnums {n} of a call with {len(args)} positional arguments")
    positions = tuple([n % len(args) for n in numbers])
    if len(set(positions)) != len(positions):
        raise RuntimeError(f"{op}: argnums {argnums} names an argument twice")
    return positions


def with_chosen(
    func: Callable[..., Any], positions: tuple[int, ...], args: tuple[Any, ...], kwargs: Any
) -> Callable[..., Any]:
    """func as a function of the arguments at those positions."""

    def of_chosen(*given: Any) -> Any:
        full = list(args)
        for n, value in zip(positions, given, strict=True):
            full[n] = value
        return func(*full, **kwargs)

    return of_chosen


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns (gradients, value) of `func`, which returns a scalar.

    The gradients are as `grad` says; with `has_aux`, the result is (gradients, (value, aux)).

    >>> import pyautograd as ag
    >>> ag.func.grad_and_value(lambda x: x**2)(ag.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        positions = chosen("grad", argnums, args)
        inputs = tuple([args[n] for n in positions])
        of_chosen = with_chosen(func, positions, args, kwargs)
        recording, value, aux = run_on_own("grad", of_chosen, inputs, has_aux)
        if not isinstance(value, Tensor):
            raise RuntimeError(
                f"grad: expected the function to return a tensor, got {kind_of(value)}"
            )
        if value.shape != ():
            raise RuntimeError(
                f"grad: expected the function to return a scalar, got shape {value.shape}"
            )
        one = wrap(np.ones((), value.dtype))
        found = rebuild(inputs, iter(recording.pull([value], [one], False)))
        grads = found[0] if isinstance(argnums, int) else found
        value = recording.released(value)
        return (grads, (value, recording.released(aux))) if has_aux else (grads, value)

    return wrapper


def grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns the gradient of `func`, which returns a scalar tensor.

    `argnums`: by which arguments, a number or a tuple of them; each may be a tensor or tuples,
    lists and dicts of tensors, and its gradient has the same structure (for a tuple of numbers, a
    tuple of them). An argument that func does not use has a gradient of zeros. With `has_aux`,
    func returns (value, aux), and the result is (gradients, aux). Can be nested, and called in
    vmap and jvp.

    Raises RuntimeError where func does not return a scalar, or `argnums` names no argument.

    >>> import pyautograd as ag
    >>> ag.func.grad(ag.func.grad(lambda x: x**3))(ag.tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return wrapper


def value_and_grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `grad_and_value`, in the other order: (value, gradients), or ((value, aux), gradients).

    >>> import pyautograd as ag
    >>> ag.func.value_and_grad(lambda x: x**2)(ag.tensor(3.0))
    (tensor(9.), tensor(6.))
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return value, grads

    return wrapper
