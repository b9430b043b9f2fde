"""Op, the registry, and the factories that turn an op's record into a function.

An op is defined once, by a call of `unary`, `binary`, `ternary` or `primitive` in `ops/`. The call
returns the function that runs it on Tensors and records it, and puts the op in the two spaces in
which gradient rules run: its kernel in `tape.arrays`, the recording function in `tape.tensors`.

A rule is `rule(K, g, saved, needs, *attrs)`, written in the ops of the space K. It returns one
gradient per input, None where `needs` has None (or where there is none). It never undoes
broadcasting: the engine does. Constants are Python numbers.

A Tensor without an array of its own (a batch under vmap, a symbol of a static graph) is a subclass
of `Stand`: reading `_array` fails, and the op hands itself to `Stand.run_op`. Ordinary tensors pay
nothing for that.

Budget of a recorded 4x4 multiply (ns): frame 45, loading the arrays 10, kernel 100 (65 of it the
result's memory), Tensor 100, test of the grad mode 10, Node 100, tuples 70, comparing layouts 20.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

import numpy as np

from pyautograd import _C, tape
from pyautograd.cost import BY_KIND, Cost, Flops, moved
from pyautograd.graph import ARRAYS, OUT, SHAPE, Node, Symbol, SymbolicNumber, record
from pyautograd.modes import is_grad_enabled, lend, state
from pyautograd.tensor import Tensor, link_view, wrap

Rule = Callable[..., Any]
OPS: dict[str, Op] = {}
# Ops as the methods behind operators: these leave operands that they do not know to Python, where
# the functions raise TypeError.
operators: dict[str, Callable[[Any, Any], Any]] = {}
reflected_operators: dict[str, Callable[[Any, Any], Any]] = {}  # of the right operand: (b, a)

_same_layout = _C.same_layout
_OPERANDS = (int, float, np.generic, SymbolicNumber, *ARRAYS)


def _linear_inputs(kind: str, inputs: int) -> tuple[int, ...]:
    if kind == "contraction":
        return (0, 1)
    return (0,) if kind == "movement" and inputs == 1 else ()


class Op:
    """The record of an op.

    name: as in error messages, in `grad_fn` and in the spaces.
    kind: "elementwise", "reduction", "movement", "contraction", "window",
        "normalisation" or "factorisation".
    forward: arrays (and attributes) to an array, or to a tuple of them of which only the first has
        a gradient. For an element-wise op this is the kernel of the opcode of the same name.
    rule: the gradient rule; None where there is no gradient.
    infer: shape-and-dtype rule: from anything with `shape` and `dtype` (and attributes) to the
        (shape, dtype) of the first output; raises the error that the forward would raise.
    saves: what the rule needs: numbers of inputs, tape.OUT, tape.SHAPE + number of an input.
    inputs: how many of the arguments are arrays; the others are attributes.
    broadcasts: whether inputs may have other shapes or dtypes than the output.
    view: whether the output shares the memory of the input.
    exchange: puts another function in the place of `forward` wherever it is called: see watch.py.
    fresh: whether the rule returns new arrays only, never `g`, a saved array or a view of one.
    linear: the inputs in each of which the op is linear, with the others as they are. Unless given,
        the only one of a movement op, and the first two of a contraction (without its bias).
    flops: its arithmetic, see cost.py; by its kind unless given, which a contraction must.
    picks: whether it reads no more of its first input than it writes.
    """

    __slots__ = (
        "broadcasts",
        "exchange",
        "flops",
        "forward",
        "fresh",
        "holds_arrays",
        "infer",
        "inputs",
        "kind",
        "linear",
        "name",
        "picks",
        "rule",
        "saves",
        "view",
    )

    def __init__(
        self,
        name: str,
        kind: str,
        forward: Callable[..., Any],
        rule: Rule | None,
        infer: Callable[..., Any],
        saves: tuple[int, ...] = (),
        inputs: int = 1,
        broadcasts: bool = False,
        fresh: bool = False,
        view: bool = False,
        linear: tuple[int, ...] | None = None,
        flops: Flops | None = None,
        picks: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.exchange: Callable[[Callable[..., Any]], None]
        self.forward = forward
        self.rule = rule
        self.infer = infer
        self.saves = saves
        self.inputs = inputs
        self.broadcasts = broadcasts
        self.fresh = fresh
        self.view = view
        self.linear = _linear_inputs(kind, inputs) if linear is None else linear
        self.holds_arrays = any(where < SHAPE for where in saves)
        self.flops = BY_KIND.get(kind, BY_KIND["movement"]) if flops is None else flops
        self.picks = picks

    def operands(self, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """The arguments of the forward: operands, and attributes."""
        return (
            (args[0], args[1:]) if self.inputs < 0 else (args[: self.inputs], args[self.inputs :])
        )

    def cost(self, inputs: Any, attrs: tuple[Any, ...], outputs: Any) -> Cost:
        """What a call costs; inputs and outputs as layouts, None for inputs that are numbers."""
        if self.view or not outputs:
            return Cost(0, 0)
        flops = self.flops(inputs, attrs, outputs)
        return Cost(int(flops), moved(inputs, outputs, self.picks))

    def source(self, node: Node, i: int) -> Node | None:
        """The node that computed the i-th value that `node` saved."""
        where = self.saves[i]
        return node.edges[where] if 0 <= where < SHAPE else node if where == OUT else None

    def __repr__(self) -> str:
        return f"Op({self.name!r}, {self.kind!r})"


def _register(
    op: Op, function: Callable[..., Any], exchange: Callable[[Callable[..., Any]], None]
) -> Callable[..., Any]:
    def exchange_everywhere(forward: Callable[..., Any]) -> None:
        exchange(forward)
        setattr(tape.arrays, op.name, forward)

    if op.name in OPS:
        raise ValueError(f"op {op.name!r} is defined twice")
    function.__name__ = function.__qualname__ = op.name
    OPS[op.name] = op
    op.exchange = exchange_everywhere
    setattr(tape.arrays, op.name, op.forward)
    setattr(tape.tensors, op.name, function)
    return function


def _keeper(saves: tuple[int, ...]) -> Callable[[Any, Any], tuple[Any, ...] | None]:
    """What picks the values to save from the inputs and the outputs of a call."""
    if not saves:
        return lambda inputs, outputs: None
    if len(saves) == 1:
        (where,) = saves
        if where >= SHAPE:
            return lambda inputs, outputs: (inputs[where - SHAPE].shape,)
        if where >= 0:
            return lambda inputs, outputs: (inputs[where],)
        return lambda inputs, outputs: (outputs[OUT - where],)
    if all(0 <= where < SHAPE for where in saves):
        pick = itemgetter(*saves)
        return lambda inputs, outputs: pick(inputs)
    return lambda inputs, outputs: tuple(
        [
            inputs[where - SHAPE].shape
            if where >= SHAPE
            else inputs[where]
            if where >= 0
            else outputs[OUT - where]
            for where in saves
        ]
    )


# ---- tensors without arrays ----------------------------------------------------------------------


class Stand(Tensor):
    """A Tensor that stands for values which are not here: subclasses run the ops on it.

    They set `_node` to None and answer `shape` and `dtype`. Of several kinds in one call, that of
    the largest `level` runs it.
    """

    __slots__ = ()
    level = 0
    graph: Any = None  # of which it is a symbol: see `graph_of`

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def dim(self) -> int:
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        return math.prod(self.shape)

    def element_size(self) -> int:
        return self.dtype.itemsize

    def is_floating_point(self) -> bool:
        return self.dtype.kind == "f"

    def is_contiguous(self) -> bool:
        return True

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def detach(self) -> Tensor:
        return tape.tensors.detach(self)

    @property
    def _array(self) -> Any:
        raise NoArrayError(f"a {type(self).__name__} has no values that Python could read here")

    @classmethod
    def run_op(cls, op: Op, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """What `run(*args)` means; `run` is the function of `op` on Tensors."""
        raise NotImplementedError


class NoArrayError(AttributeError):
    """The values of a `Stand` were asked for."""


def graph_of(values: Any) -> Any:
    """The graph of the first symbol among nested values, None where there is none.

    What is no op, but has to be part of the graph as a whole (a module, dropout, an optimiser's
    step), asks this where `state.building`, and runs itself by the graph's `run`.
    """
    if isinstance(values, Stand):
        return values.graph
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, (tuple, list)):
        return None
    return next((g for x in values if (g := graph_of(x)) is not None), None)


def has_values(x: Tensor) -> bool:
    """Whether Python may look at the elements: not under vmap, nor while a graph is built."""
    return not isinstance(x, Stand) and not isinstance(x._array, Symbol)


def stand_in(op: Op, run: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Hands a call to the operands that stand for others; TypeError where there are none."""
    given = args[0] if op.inputs < 0 else args
    stands = [x for x in given if isinstance(x, Stand)]
    if not stands:
        raise not_an_operand(op.name, *given) from None
    return max(stands, key=lambda x: x.level).run_op(op, run, args)


# ---- element-wise ops ----------------------------------------------------------------------------


def result_dtype(op: str, *operands: Any) -> np.dtype[Any]:
    """The kernel's own promotion, asked with empty arrays of the operands' kinds."""
    probes = [
        np.zeros((0,) if x.shape else (), x.dtype) if hasattr(x, "dtype") else x for x in operands
    ]
    return _C.elementwise[op](*probes).dtype


def _infer_elementwise(name: str) -> Callable[..., Any]:
    def infer(*operands: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
        shapes = [getattr(x, "shape", ()) for x in operands]
        return _C.broadcast_shapes(name, *shapes), result_dtype(name, *operands)

    return infer


def not_an_operand(op: str, *operands: Any) -> TypeError:
    kinds = " and ".join(type(x).__name__ for x in operands)
    return TypeError(f"{op}: expected tensors (or numbers beside a tensor), got {kinds}")


def unary(name: str, rule: Rule, saves: int) -> Callable[[Tensor], Tensor]:
    """An element-wise op of one operand, for the opcode `name`; saves its input (0) or OUT."""
    kernel = _C.elementwise[name]
    op = Op(name, "elementwise", kernel, rule, _infer_elementwise(name), (saves,), 1, fresh=True)
    saves_output = saves == OUT

    def run(a: Tensor) -> Tensor:
        try:
            x = a._array
        except AttributeError:
            return stand_in(op, run, (a,))
        y = kernel(x)
        out = Tensor()
        out._array = y
        out.grad = None
        edge = a._node
        if edge is not None and (not state.grad_off or is_grad_enabled()):
            out._node = record(op, (edge,), (y if saves_output else x,))
        else:
            out._node = None
        return out

    def exchange(new: Callable[..., Any]) -> None:
        nonlocal kernel
        kernel = new

    return _register(op, run, exchange)


def binary(
    name: str,
    rule: Rule,
    saves: tuple[int, ...] = (0, 1),
    fresh: bool = True,
    crosswise: bool = False,
) -> Callable[[Any, Any], Tensor]:
    """An element-wise op of two operands, for the opcode `name`, broadcasting.

    `crosswise`: each operand's gradient needs the other operand alone, which is not kept where
    there is one gradient only.
    """
    kernel = _C.elementwise[name]
    op = Op(name, "elementwise", kernel, rule, _infer_elementwise(name), saves, 2, True, fresh)
    both, nothing, keep = saves == (0, 1), not saves, _keeper(saves)

    def build(otherwise: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Tensor]:
        def run(a: Any, b: Any) -> Tensor:
            try:
                x = a._array
                left = a._node
                if isinstance(b, Tensor):
                    y = b._array
                    right = b._node
                elif type(b) is float or type(b) is int:
                    y = b
                    right = None
                else:
                    return otherwise(a, b)
            except AttributeError:
                return otherwise(a, b)
            z = kernel(x, y)
            out = Tensor()
            out._array = z
            out.grad = None
            if (left is None and right is None) or (state.grad_off and not is_grad_enabled()):
                out._node = None
                return out
            if not both:
                saved = None if nothing else keep((x, y), (z,))
            elif crosswise and (left is None or right is None):
                saved = (None, y) if right is None else (x, None)
            else:
                saved = (x, y)
            out._node = node = record(op, (left, right), saved)
            if y is not b and not _same_layout(x, y):
                node.layouts = ((x.shape, x.dtype), (y.shape, y.dtype))
            return out

        return run

    def mixed(a: Any, b: Any) -> Any:
        """A number on the left (kept as it is: it has neither shape nor gradient), or an array."""
        if isinstance(a, Stand) or isinstance(b, Stand):
            return stand_in(op, tape.tensors.__dict__[name], (a, b))
        operands = [x._array if isinstance(x, Tensor) else x for x in (a, b)]
        for x in operands:
            if not isinstance(x, _OPERANDS):
                return NotImplemented
        if not isinstance(a, Tensor) and not isinstance(b, Tensor):
            raise not_an_operand(name, a, b)
        z = kernel(*operands)
        nodes = tuple([x._node if isinstance(x, Tensor) else None for x in (a, b)])
        if nodes == (None, None) or not is_grad_enabled():
            return wrap(z)
        node = record(op, nodes, keep(operands, (z,)))
        kept = operands[0] if nodes[0] is not None else operands[1]
        if not _same_layout(kept, z):
            node.layouts = ((kept.shape, kept.dtype),) * 2
        return wrap(z, node)

    def strict(a: Any, b: Any) -> Any:
        out = mixed(a, b)
        if out is NotImplemented:
            raise not_an_operand(name, a, b)
        return out

    def reflected(b: Any, a: Any) -> Any:
        if (type(a) is not float and type(a) is not int) or isinstance(b, Stand):
            return mixed(a, b)
        y = b._array
        right = b._node
        z = kernel(a, y)
        out = Tensor()
        out._array = z
        out.grad = None
        if right is None or (state.grad_off and not is_grad_enabled()):
            out._node = None
        else:
            out._node = record(op, (None, right), keep((a, y), (z,)))
        return out

    def exchange(new: Callable[..., Any]) -> None:
        nonlocal kernel
        kernel = new

    operators[name] = build(mixed)
    reflected_operators[name] = reflected
    return _register(op, build(strict), exchange)


def _infer_test(name: str) -> Callable[..., Any]:
    def infer(*operands: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
        shapes = [getattr(x, "shape", ()) for x in operands]
        return _C.broadcast_shapes(name, *shapes), np.dtype(bool)

    return infer


def comparison(name: str) -> Callable[[Any, Any], Tensor]:
    """An element-wise op of two operands that gives bools, hence no gradient, for that opcode."""
    kernel = _C.elementwise[name]
    op = Op(name, "elementwise", kernel, None, _infer_test(name), inputs=2)

    def run(a: Any, b: Any) -> Any:
        try:
            x = a._array
            y = b if type(b) is float or type(b) is int else b._array
        except AttributeError:
            return mixed(a, b)
        out = Tensor()
        out._array = kernel(x, y)
        out.grad = out._node = None
        return out

    def mixed(a: Any, b: Any) -> Any:
        if isinstance(a, Stand) or isinstance(b, Stand):
            return stand_in(op, tape.tensors.__dict__[name], (a, b))
        operands = [x._array if isinstance(x, Tensor) else x for x in (a, b)]
        for x in operands:
            if not isinstance(x, _OPERANDS):
                return NotImplemented
        return wrap(kernel(*operands))

    def strict(a: Any, b: Any) -> Any:
        out = run(a, b)
        if out is NotImplemented:
            raise not_an_operand(name, a, b)
        return out

    def exchange(new: Callable[..., Any]) -> None:
        nonlocal kernel
        kernel = new

    operators[name] = run
    return _register(op, strict, exchange)


def predicate(name: str) -> Callable[[Tensor], Tensor]:
    """A question to each element, answered by bools, for that opcode."""
    return primitive(name, "elementwise", _C.elementwise[name], None, _infer_test(name))


# ---- all others ----------------------------------------------------------------------------------


def primitive(
    name: str,
    kind: str,
    forward: Callable[..., Any],
    rule: Rule | None,
    infer: Callable[..., Any],
    *,
    saves: tuple[int, ...] = (),
    inputs: int = 1,
    broadcasts: bool = False,
    fresh: bool = False,
    view: bool = False,
    linear: tuple[int, ...] | None = None,
    flops: Flops | None = None,
    picks: bool = False,
) -> Callable[..., Any]:
    """An op with any number of inputs, then attributes: `run(*tensors, *attrs)`.

    An input may be None where the forward allows it. `inputs=-1` takes one sequence of tensors.
    If the forward returns a tuple, so does the function; only its first item is on the tape.
    """
    op = Op(
        name,
        kind,
        forward,
        rule,
        infer,
        saves,
        inputs,
        broadcasts,
        fresh,
        view,
        linear,
        flops,
        picks,
    )
    keep = _keeper(saves)

    def run_one(a: Any, *attrs: Any) -> Any:
        """The usual case of one input, with less to unpack."""
        try:
            x = a._array
        except AttributeError:
            return run(a, *attrs)
        y = forward(x, *attrs)
        several = type(y) is tuple
        out = Tensor()
        out._array = y[0] if several else y
        out.grad = None
        edge = a._node
        if edge is None or rule is None or (state.grad_off and not is_grad_enabled()):
            out._node = None
        else:
            out._node = node = record(op, (edge,), keep((x,), y if several else (y,)))
            node.attrs = attrs
            if broadcasts:
                node.layouts = ((x.shape, x.dtype),)
        if view:
            link_view(out, a)
        return (out, *[wrap(z) for z in y[1:]]) if several else out

    def run_two(a: Any, b: Any, *attrs: Any) -> Any:
        """Likewise of two inputs."""
        try:
            x, y = a._array, b._array
        except AttributeError:
            return run(a, b, *attrs)
        z = forward(x, y, *attrs)
        several = type(z) is tuple
        out = Tensor()
        out._array = z[0] if several else z
        out.grad = None
        left, right = a._node, b._node
        if (
            (left is None and right is None)
            or rule is None
            or (state.grad_off and not is_grad_enabled())
        ):
            out._node = None
        else:
            out._node = node = record(op, (left, right), keep((x, y), z if several else (z,)))
            node.attrs = attrs
            if broadcasts:
                node.layouts = ((x.shape, x.dtype), (y.shape, y.dtype))
        return (out, *[wrap(t) for t in z[1:]]) if several else out

    def run(*args: Any) -> Any:
        if inputs < 0:
            given, attrs = args[0], args[1:]
        else:
            given, attrs = args[:inputs], args[inputs:]
        try:
            values = [None if t is None else t._array for t in given]
        except AttributeError:
            if any(isinstance(t, Stand) for t in given):
                return stand_in(op, tape.tensors.__dict__[name], args)
            given = [_input(name, t) for t in given]
            values = [None if t is None else t._array for t in given]
        result = forward(values, *attrs) if inputs < 0 else forward(*values, *attrs)
        several = type(result) is tuple
        first = wrap(result[0] if several else result)
        if rule is not None and (not state.grad_off or is_grad_enabled()):
            edges = tuple([None if t is None else t._node for t in given])
            if edges.count(None) != len(edges):
                first._node = node = record(
                    op, edges, keep(values, result if several else (result,))
                )
                node.attrs = attrs
                if broadcasts:
                    node.layouts = [None if x is None else (x.shape, x.dtype) for x in values]
        if view:
            link_view(first, given[0])
        return (first, *[wrap(x) for x in result[1:]]) if several else first

    def exchange(new: Callable[..., Any]) -> None:
        nonlocal forward
        forward = new

    chosen = run_one if inputs == 1 else run_two if inputs == 2 and not view else run
    return _register(op, chosen, exchange)


def _input(name: str, value: Any) -> Tensor | None:
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        lend(value)
        return wrap(np.asarray(value))
    raise TypeError(f"{name}: expected a Tensor, got {type(value).__name__}")


def ternary(
    name: str, rule: Rule, saves: tuple[int, ...], infer: Callable[..., Any] | None = None
) -> Callable[..., Tensor]:
    """An element-wise op of three operands, for the opcode `name`, broadcasting.

    The last two may be numbers.
    """
    kernel = _C.elementwise[name]
    infer = infer or _infer_elementwise(name)
    op = Op(name, "elementwise", kernel, rule, infer, saves, 3, True, fresh=True)
    keep = _keeper(saves)

    def run(a: Any, b: Any, c: Any) -> Tensor:
        try:
            x = a._array
            y = b if type(b) is float or type(b) is int else b._array
            z = c if type(c) is float or type(c) is int else c._array
        except AttributeError:
            return mixed(a, b, c)
        return call((a, b, c), (x, y, z))

    def call(operands: tuple[Any, ...], values: tuple[Any, ...]) -> Tensor:
        out = Tensor()
        out._array = kernel(*values)
        out.grad = out._node = None
        edges = tuple([x._node if isinstance(x, Tensor) else None for x in operands])
        if edges == (None, None, None) or (state.grad_off and not is_grad_enabled()):
            return out
        out._node = node = record(op, edges, keep(values, (out._array,)))
        node.layouts = [
            None if edge is None else (x.shape, x.dtype)
            for edge, x in zip(edges, values, strict=True)
        ]
        return out

    def mixed(*operands: Any) -> Any:
        if any(isinstance(x, Stand) for x in operands):
            return stand_in(op, tape.tensors.__dict__[name], operands)
        if any(x is None for x in operands) or isinstance(operands[0], (int, float)):
            raise not_an_operand(name, *operands)
        taken = tuple([x if isinstance(x, (int, float)) else _input(name, x) for x in operands])
        return call(taken, tuple([x._array if isinstance(x, Tensor) else x for x in taken]))

    def exchange(new: Callable[..., Any]) -> None:
        nonlocal kernel
        kernel = new

    return _register(op, run, exchange)


# ---- methods -------------------------------------------------------------------------------------


def method(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Attaches a function to Tensor under these names (its own where none is given)."""

    def attach(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names or (function.__name__,):
            setattr(Tensor, name, function)
        return function

    return attach
