"""Derivatives of a function at a place: what `pyautograd.func` does, with plain arguments.

Names, arguments and results are those of `torch.autograd.functional`. `inputs` is a tensor or a
tuple of them, with which `func` is called; it returns a tensor or a tuple of them, or, where a
Hessian is meant, a tensor with one element. Results are off the tape unless `create_graph`. With
`strict`, outputs or derivatives that do not depend on an input are an error, not zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import func as F
from pyautograd.func.jacobian import cut, unit_vectors
from pyautograd.func.reverse import Recording
from pyautograd.modes import GradMode
from pyautograd.tensor import Tensor, wrap

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Tensor | tuple[Tensor, ...]


def _as_tuple(op: str, what: str, value: Any) -> tuple[tuple[Tensor, ...], bool]:
    """(tensors, whether a tuple was given)."""
    several = isinstance(value, (tuple, list))
    found = tuple(value) if several else (value,)
    for i, x in enumerate(found):
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{op}: expected {what} as a tensor or a tuple of tensors, got "
                f"{type(x).__name__}{f' at {i}' if several else ''}"
            )
    return found, several


def _like(found: Any, several: bool) -> Any:
    return tuple(found) if several else found[0]


class _Call:
    """A recorded call of the function, and what it returned."""

    def __init__(self, op: str, func: Callable[..., Any], inputs: Any, strict: bool) -> None:
        self.op, self.strict = op, strict
        self.inputs, self.several_inputs = _as_tuple(op, "inputs", inputs)
        self.recording = Recording(op, list(self.inputs))
        result = self.recording.run(func, self.inputs)
        self.outputs, self.several_outputs = _as_tuple(op, "the function's outputs", result)
        if strict:
            for i, y in enumerate(self.outputs):
                if not y.requires_grad:
                    raise RuntimeError(
                        f"{op}: output {i} does not depend on the inputs, or not in a way that has "
                        "a gradient (strict=True)"
                    )

    def value(self) -> Any:
        return _like(self.recording.released(self.outputs), self.several_outputs)

    def pull(self, outputs: list[Any], cotangents: list[Any]) -> list[Any]:
        found = self.recording.pull(outputs, cotangents, True, materialize=not self.strict)
        for i, g in enumerate(found):
            if g is None:
                raise RuntimeError(
                    f"{self.op}: the outputs do not depend on input {i} (strict=True)"
                )
        return found


def _vector(op: str, v: Any, like: tuple[Tensor, ...], what: str) -> list[Tensor]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{op}: v may be left out only where {what} has a single element")
        return [wrap(np.ones(like[0].shape, like[0].dtype))]
    found, _ = _as_tuple(op, "v", v)
    if len(found) != len(like):
        raise RuntimeError(f"{op}: expected {len(like)} tensors as v, one for each of {what}")
    for i, (x, y) in enumerate(zip(found, like, strict=True)):
        if x.shape != y.shape:
            raise RuntimeError(
                f"{op}: v {i} has shape {x.shape}; expected that of {what}, {y.shape}"
            )
    return list(found)


def _check_connected(op: str, found: Any, strict: bool, create_graph: bool) -> None:
    """Under create_graph, strict asks that the derivative itself depends on the inputs."""
    for g in found if strict and create_graph else ():
        if not g.requires_grad:
            raise RuntimeError(f"{op}: the derivative does not depend on the inputs (strict=True)")


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(*inputs), vᵀJ), with v in the shapes of the outputs.

    `v` may be left out where the function returns a single element.

    >>> import pyautograd as ag
    >>> x = ag.tensor([1.0, 2.0])
    >>> ag.autograd.functional.vjp(lambda x: x * x, x, ag.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with GradMode(create_graph):
        call = _Call("vjp", func, inputs, strict)
        us = _vector("vjp", v, call.outputs, "the output")
        found = call.pull(list(call.outputs), us)
        _check_connected("vjp", found, strict, create_graph)
        return call.value(), _like(found, call.several_inputs)


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(*inputs), J v), with v in the shapes of the inputs, by forward mode.

    `v` may be left out where the inputs are a single element.

    >>> import pyautograd as ag
    >>> x = ag.tensor([1.0, 2.0])
    >>> ag.autograd.functional.jvp(lambda x: x.sum(), x, ag.tensor([1.0, 10.0]))
    (tensor(3.), tensor(11.))
    """
    xs, _ = _as_tuple("jvp", "inputs", inputs)
    vs = _vector("jvp", v, xs, "the input")
    with GradMode(create_graph):
        if not create_graph:
            xs, vs = tuple([x.detach() for x in xs]), [x.detach() for x in vs]

        def checked(*given: Any) -> Any:
            outputs, several = _as_tuple("jvp", "the function's outputs", func(*given))
            return _like(outputs, several)

        value, tangent = F.jvp(checked, xs, tuple(vs), strict=strict)
        listed = tangent if isinstance(tangent, tuple) else (tangent,)
        _check_connected("jvp", listed, strict, create_graph)
        return value, tangent


def _single(op: str, func: Callable[..., Any]) -> Callable[..., Any]:
    """func with its one element as a scalar, and as it is."""

    def scalar(*inputs: Any) -> tuple[Any, Any]:
        y = func(*inputs)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise RuntimeError(
                f"{op}: expected the function to return a tensor with one element, got "
                f"{f'shape {y.shape}' if isinstance(y, Tensor) else type(y).__name__}"
            )
        return y.reshape(()), y

    return scalar


def _gradient_and_value(
    op: str, func: Callable[..., Any], count: int, strict: bool
) -> Callable[..., Any]:
    """inputs -> (gradients, value), the gradients differentiable."""
    single = _single(op, func)

    def both(*inputs: Any) -> tuple[Any, Any]:
        if not strict:
            grads, (_, value) = F.grad_and_value(single, tuple(range(count)), has_aux=True)(*inputs)
            return grads, value
        call = _Call(op, lambda *xs: single(*xs)[0], inputs, strict)
        one = wrap(np.ones((), call.outputs[0].dtype))
        return tuple(call.pull(list(call.outputs), [one])), call.value()

    return both


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(*inputs), vᵀH) of the Hessian H of a function that returns one element.

    >>> import pyautograd as ag
    >>> x = ag.tensor([1.0, 2.0])
    >>> ag.autograd.functional.vhp(lambda x: (x**3).sum(), x, ag.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    xs, several = _as_tuple("vhp", "inputs", inputs)
    vs = _vector("vhp", v, xs, "the input")
    value = None

    def gradients(*given: Any) -> Any:
        nonlocal value
        grads, value = _gradient_and_value("vhp", func, len(xs), strict)(*given)
        return grads

    with GradMode(create_graph):
        call = _Call("vhp", gradients, xs, strict)
        found = call.pull(list(call.outputs), vs)
        _check_connected("vhp", found, strict, create_graph)
        return call.recording.released(value), _like(found, several)


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(func(*inputs), H v) of the Hessian H of a function that returns one element.

    Forward mode over reverse mode; `vhp` is reverse over reverse.

    >>> import pyautograd as ag
    >>> x = ag.tensor([1.0, 2.0])
    >>> ag.autograd.functional.hvp(lambda x: (x**3).sum(), x, ag.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    xs, several = _as_tuple("hvp", "inputs", inputs)
    vs = _vector("hvp", v, xs, "the input")
    with GradMode(create_graph):
        if not create_graph:
            xs, vs = tuple([x.detach() for x in xs]), [x.detach() for x in vs]
        both = _gradient_and_value("hvp", func, len(xs), strict)
        _, found, value = F.jvp(both, xs, tuple(vs), strict=strict, has_aux=True)
        _check_connected("hvp", found, strict, create_graph)
        return value, _like(found, several)


def _check_strategy(op: str, strict: bool, vectorize: bool, strategy: str) -> None:
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f"{op}: strategy is 'reverse-mode' or 'forward-mode', got {strategy!r}")
    if strict and vectorize:
        raise RuntimeError(f"{op}: strict=True goes with vectorize=False alone")
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(f"{op}: strategy='forward-mode' goes with vectorize=True alone")


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian: for an output of shape s and an input of shape t, a tensor of shape (*s, *t).

    For a tuple of inputs, a tuple of these; for a tuple of outputs, a tuple of those. `vectorize`
    computes all rows (or, with strategy="forward-mode", columns) at once by vmap.

    >>> import pyautograd as ag
    >>> ag.autograd.functional.jacobian(lambda x: x * x, ag.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    _check_strategy("jacobian", strict, vectorize, strategy)
    if strategy == "forward-mode":
        return _by_columns(func, inputs, create_graph)
    with GradMode(create_graph):
        call = _Call("jacobian", func, inputs, strict)
        outputs = list(call.outputs)
        units = unit_vectors(outputs)
        if vectorize:
            rows = F.vmap(lambda *us: tuple(call.pull(outputs, list(us))))(*units)
        else:
            rows = _stacked_rows(call, outputs, units)
        _check_connected("jacobian", rows, strict, create_graph)
        by_output = zip(*[cut(row, outputs, 0) for row in rows], strict=True)
        found = [_like(parts, call.several_inputs) for parts in by_output]
        return _like(found, call.several_outputs)


def _stacked_rows(call: _Call, outputs: list[Any], units: list[Tensor]) -> list[Any]:
    from pyautograd.ops.shape import stack

    rows = [call.pull(outputs, [u[k] for u in units]) for k in range(units[0].shape[0])]
    if not rows:
        return [wrap(np.zeros((0, *x.shape), x.dtype)) for x in call.inputs]
    return [stack(column) for column in zip(*rows, strict=True)]


def _by_columns(func: Callable[..., Any], inputs: Tensors, create_graph: bool) -> Any:
    xs, several = _as_tuple("jacobian", "inputs", inputs)
    with GradMode(create_graph):
        if not create_graph:
            xs = tuple([x.detach() for x in xs])
        found = F.jacfwd(func, tuple(range(len(xs))))(*xs)
    return found if several else _without_tuples(found)


def _without_tuples(found: Any) -> Any:
    """Tuples by output of tuples of one, or such a tuple alone, without these."""
    if isinstance(found[0], tuple):
        return tuple([parts[0] for parts in found])
    return found[0]


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function that returns one element: for an input of shape t, (*t, *t).

    For a tuple of inputs, a tuple (by the first derivative) of tuples (by the second).
    `vectorize`: as in `jacobian`, as is `outer_jacobian_strategy`.

    >>> import pyautograd as ag
    >>> ag.autograd.functional.hessian(lambda x: (x**3).sum(), ag.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _check_strategy("hessian", strict, vectorize, outer_jacobian_strategy)
    xs, several = _as_tuple("hessian", "inputs", inputs)
    both = _gradient_and_value("hessian", func, len(xs), strict)
    found = jacobian(
        lambda *given: both(*given)[0], xs, create_graph, strict, vectorize, outer_jacobian_strategy
    )
    return found if several else found[0][0]
