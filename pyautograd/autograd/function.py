"""Functions with a gradient rule of the user's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.graph import ARRAYS, OUT, SHAPE, Node, record, tensors
from pyautograd.modes import GradMode, is_grad_enabled, no_grad
from pyautograd.op import Stand
from pyautograd.ops.inplace import changed_in_place, writable
from pyautograd.tensor import Tensor, wrap

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What forward leaves for backward: the first argument of both.

    Attributes of your own may be set on it. Tensors belong into `save_for_backward`, which keeps
    them from making cycles, frees them after backward and notices when they were changed in place.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Tensor | None, ...] = ()
        self._saved_for_forward: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._not_differentiable: tuple[Tensor, ...] = ()
        self._materialize = True

    def save_for_backward(self, *values: Tensor | None) -> None:
        """Keeps inputs, outputs or other tensors for `saved_tensors` in backward.

        In `jvp` too, unless `save_for_forward` says otherwise.
        """
        self._saved = _tensors("save_for_backward", values)

    def save_for_forward(self, *values: Tensor | None) -> None:
        """Keeps tensors for `saved_tensors` in jvp."""
        self._saved_for_forward = _tensors("save_for_forward", values)

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Says which inputs forward has changed in place; it has to return them."""
        self._dirty = inputs

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Says which outputs have no gradient."""
        self._not_differentiable = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for outputs without a gradient."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` (in jvp, `save_for_forward`) was given."""
        return self._saved

    def forget(self) -> None:
        """Drops the tensors, so that what holds the context does not hold them."""
        self._saved = self._saved_for_forward = self._dirty = self._not_differentiable = ()


def _tensors(op: str, values: tuple[Any, ...]) -> tuple[Tensor | None, ...]:
    for x in values:
        if x is not None and not isinstance(x, Tensor):
            raise TypeError(
                f"{op}: expected tensors or None, got {type(x).__name__}; "
                "set other values as attributes of ctx"
            )
    return values


class _Call:
    """The op of one call of a Function: its rule is the user's backward."""

    fresh = False
    holds_arrays = True

    def __init__(self, function: type[Function], ctx: FunctionCtx, args: Any, outputs: Any) -> None:
        self.name = function.__name__
        self.function = function
        self.ctx = ctx
        self.input_shapes = [getattr(x, "shape", ()) for x in args]
        # Shape and dtype of each output; None for what is no tensor.
        self.layouts = [(x.shape, x.dtype) if isinstance(x, Tensor) else None for x in outputs]
        self.saves: tuple[int, ...] = ()
        self.others: dict[int, Node | None] = {}  # of saved tensors that are no input or output

    def keep(self, args: Any, outputs: list[Any]) -> tuple[Any, ...]:
        """Takes over what the user saved, as arrays and the places where their nodes are found."""
        saved, self.ctx._saved = self.ctx._saved, ()
        saves = []
        for i, x in enumerate(saved):
            out = [k for k, value in enumerate(outputs) if value is x]
            given = [k for k, value in enumerate(args) if value is x]
            saves.append(OUT - out[0] if out else given[0] if given else _ELSEWHERE)
            if x is not None and not out and not given:
                self.others[i] = x._node
        self.saves = tuple(saves)
        return tuple([None if x is None else x._array for x in saved])

    def source(self, node: Node, i: int) -> Node | None:
        where = self.saves[i]
        if where == _ELSEWHERE:
            return self.others.get(i)
        return node.edges[where] if where >= 0 else self.output(node, OUT - where)

    def output(self, node: Node, i: int) -> Node:
        """A node for output i."""
        return node if len(self.layouts) == 1 else record(_Output(self, i), (node,), None)

    def rule(self, K: Any, g: Any, saved: Any, needs: Any) -> list[Any]:
        create_graph = K is tensors
        grads = []
        for x, layout in zip(g if type(g) is list else [g], self.layouts, strict=True):
            if x is None and layout is not None and self.ctx._materialize:
                x = np.zeros(*layout)
            grads.append(wrap(x) if isinstance(x, ARRAYS) else x)
        self.ctx._saved = tuple([wrap(x) if isinstance(x, ARRAYS) else x for x in saved])
        try:
            with GradMode(create_graph):
                result = self.function.backward(self.ctx, *grads)
        finally:
            self.ctx._saved = ()
        result = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(result) < len(needs) or any(x is not None for x in result[len(needs) :]):
            raise RuntimeError(
                f"{self.name}.backward: returned {len(result)} gradients for {len(needs)} "
                "arguments of forward; return None for those without one"
            )
        return [
            None if x is None or needed is None else self._checked(i, x, create_graph)
            for i, (x, needed) in enumerate(zip(result, needs, strict=False))
        ]

    def _checked(self, i: int, x: Any, create_graph: bool) -> Any:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{self.name}.backward: expected a Tensor or None for argument {i}, "
                f"got {type(x).__name__}"
            )
        shape = self.input_shapes[i]
        lead = len(x.shape) - len(shape)
        fits = lead >= 0 and all(n in (1, m) for n, m in zip(shape, x.shape[lead:], strict=True))
        if not fits:
            raise ValueError(
                f"{self.name}.backward: a gradient of shape {x.shape} for argument {i} of shape "
                f"{shape}"
            )
        return x if create_graph else x._array


_ELSEWHERE = SHAPE - 1


class _Output:
    """The op of one output of a call with several: hands its gradient down in a list."""

    fresh = False
    holds_arrays = False
    saves = ()

    def __init__(self, call: _Call, i: int) -> None:
        self.name = call.name
        self.i = i
        self.count = len(call.layouts)

    def rule(self, K: Any, g: Any, saved: Any, needs: Any) -> tuple[Any]:
        # The list so far waits where the engine keeps a node's pending gradient, and goes back
        # there as if it were the only one.
        (node,) = needs
        parts = node.grad or [None] * self.count
        node.grad = None
        parts[self.i] = g if parts[self.i] is None else K.add(parts[self.i], g)
        return (parts,)


class Function:
    """A differentiable function defined by its `forward` and `backward`.

    Subclasses define static methods: `forward(ctx, *args)` computes the outputs (a Tensor or a
    tuple); `backward(ctx, *grad_outputs)` returns one gradient for each argument of forward, None
    for those without one. Or `forward(*args)` with `setup_context(ctx, inputs, output)`. Backward
    is written in differentiable ops and can be differentiated again, unless it is marked
    `once_differentiable`. Called by `apply`, with positional arguments.

    Under `func.jvp` and the like, the static method `jvp(ctx, *tangents)` returns the outputs'
    tangents; without it, backward is transposed. Under `vmap`, `vmap(info, in_dims, *args)` gets
    whole batches and returns (outputs, out_dims); with `generate_vmap_rule = True` instead, forward
    and backward, written in ops, are themselves run in vmap; with neither, in a loop.

    >>> import pyautograd as ag
    >>> class Cube(ag.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return grad * 3.0 * x * x
    >>> x = ag.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    generate_vmap_rule = False

    def __init__(self) -> None:
        raise RuntimeError(
            f"{type(self).__name__}: functions have no instances; call {type(self).__name__}.apply"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError("Function: a subclass has to define forward")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Any) -> None:
        """Fills ctx after a `forward` that does not take it."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Computes the gradients of forward's arguments from those of its outputs."""
        raise NotImplementedError("Function: a subclass has to define backward")

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """The tangents of the outputs; a function without this has its backward transposed."""
        raise NotImplementedError

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """(outputs, out_dims) for a batch: see the class."""
        raise NotImplementedError

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Calls the function and records the call."""
        if any(isinstance(x, Stand) for x in args):
            from pyautograd.func.custom import apply_at_level

            return apply_at_level(cls, args)
        return call(cls, args)[0]

    def __init_subclass__(cls) -> None:
        if "vjp" in cls.__dict__ and "backward" not in cls.__dict__:
            cls.backward = cls.vjp  # type: ignore[attr-defined, method-assign]


def run_forward(function: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
    """What forward returns; ctx is filled."""
    with no_grad():
        if function.setup_context is Function.setup_context:
            return function.forward(ctx, *args)
        result = function.forward(*args)
        function.setup_context(ctx, args, result)
        return result


def call(function: type[Function], args: tuple[Any, ...]) -> tuple[Any, FunctionCtx, Any]:
    """The result, on the tape; the context, and the tensors that jvp finds saved in it."""
    edges = tuple([x._node if isinstance(x, Tensor) else None for x in args])
    recorded = is_grad_enabled() and any(edge is not None for edge in edges)
    ctx = FunctionCtx(tuple([recorded and edge is not None for edge in edges]))
    result = run_forward(function, ctx, args)
    several = isinstance(result, (tuple, list))
    outputs = list(result) if several else [result]
    if not several and not isinstance(result, Tensor):
        raise TypeError(
            f"{function.__name__}.forward: expected tensors back, got {type(result).__name__}"
        )
    for x in ctx._dirty:
        if not any(x is out for out in outputs):
            raise RuntimeError(f"{function.__name__}: a tensor marked dirty has to be returned")
        writable(x, function.__name__, recorded)
    saved = ctx._saved_for_forward or ctx._saved
    results = _recorded(function, ctx, args, outputs, edges if recorded else ())
    ctx.forget()
    on_tape = {id(old): new for old, new in zip(outputs, results, strict=True)}
    saved = tuple([on_tape.get(id(x), x) for x in saved])
    return tuple(results) if several else results[0], ctx, saved


def _recorded(
    function: type[Function], ctx: FunctionCtx, args: Any, outputs: list[Any], edges: Any
) -> list[Any]:
    """The outputs as the caller gets them: on the tape where there are edges."""
    call = _Call(function, ctx, args, outputs)
    flat = [id(x) for x in ctx._not_differentiable]
    follows = [isinstance(x, Tensor) and x.dtype.kind == "f" and id(x) not in flat for x in outputs]
    node = None
    if edges and any(follows):
        node = record(call, edges, call.keep(args, outputs))
        node.layouts = [(x.shape, x.dtype) if isinstance(x, Tensor) else None for x in args]
    results = []
    for i, out in enumerate(outputs):
        own = call.output(node, i) if node is not None and follows[i] else None
        if any(out is x for x in ctx._dirty):
            changed_in_place(out, function.__name__, own)
        elif isinstance(out, Tensor) and (own is not None or any(out is x for x in args)):
            out = wrap(out._array, own)
        results.append(out)
    return results


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a `backward` that is not written in differentiable ops.

    Differentiating its result raises RuntimeError, instead of a wrong gradient.
    """

    @functools.wraps(backward)
    def wrapper(ctx: FunctionCtx, *grads: Any) -> Any:
        with no_grad():
            result = backward(ctx, *grads)
        if not is_grad_enabled():
            return result
        sources = tuple([x._node for x in (*grads, *ctx.saved_tensors) if isinstance(x, Tensor)])
        if not any(sources):
            return result
        several = isinstance(result, (tuple, list))
        marked = [
            wrap(x._array, record(_Once, sources, None))
            if isinstance(x, Tensor) and any(sources)
            else x
            for x in (result if several else [result])
        ]
        return tuple(marked) if several else marked[0]

    return wrapper


class _Once:
    """The op of a gradient that cannot be differentiated."""

    name = "once_differentiable"
    fresh = False
    holds_arrays = False
    saves = ()

    @staticmethod
    def rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        raise RuntimeError(
            "backward: a gradient made by a backward marked once_differentiable, or by the plan of "
            "a compiled function, cannot be differentiated again"
        )
