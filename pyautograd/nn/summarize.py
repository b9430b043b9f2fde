"""`summary`: the layers of a model with their shapes, parameters, arithmetic and memory."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np

from pyautograd.cost import Layout
from pyautograd.dtypes import as_dtype, float32
from pyautograd.modes import no_grad
from pyautograd.nn.module import Module
from pyautograd.op import Op
from pyautograd.ops.random import default_generator
from pyautograd.static.trace import Tracer
from pyautograd.tensor import Tensor, wrap
from pyautograd.watch import watch_ops

Shape = tuple[int, ...]


class Layer:
    """A module in its place. Numbers are of what it does itself, without the modules within it.

    path: its dotted name, "" for the model itself; label: its class.
    can_be_called: whether it has a forward; calls: how often that ran.
    inputs, outputs: shapes of the tensors of the first call.
    parameters: numbers in its own parameters, those counted already left out.
    flops: of all calls, see cost.py. memory: bytes of the arrays that its ops made.
    same_as: the path under which the same module stands first; None for most.
    """

    def __init__(self, path: str, module: Module, same_as: str | None) -> None:
        self.path = path
        self.label = type(module).__name__
        self.same_as = same_as
        self.calls = 0
        self.can_be_called = type(module).forward is not Module.forward
        self.inputs: tuple[Shape, ...] = ()
        self.outputs: tuple[Shape, ...] = ()
        self.parameters = self.flops = self.memory = 0

    @property
    def depth(self) -> int:
        """How many modules stand around it."""
        return self.path.count(".") + 1 if self.path else 0

    def __repr__(self) -> str:
        return f"<{self.path or 'model'} ({self.label}): {self.inputs} to {self.outputs}>"


class Summary:
    """What `summary` found: prints as a table.

    layers: a `Layer` for each module. The numbers of all layers add up to the totals: `parameters`,
    `trainable_parameters`, `flops` of one forward and `memory` (bytes of all that it computes, as
    training keeps much of). `parameter_bytes` and `buffer_bytes` are the model's own.
    """

    def __init__(self, model: Module, layers: list[Layer], depth: int | None) -> None:
        params, buffers = list(model.parameters()), list(model.buffers())
        self.layers = layers
        self.parameters = sum([p.numel() for p in params])
        self.trainable_parameters = sum([p.numel() for p in params if p.requires_grad])
        self.parameter_bytes = sum([p._array.nbytes for p in params])
        self.buffer_bytes = sum([b._array.nbytes for b in buffers])
        self.flops = sum([layer.flops for layer in layers])
        self.memory = sum([layer.memory for layer in layers])
        self._depth = depth

    def table(self, width: int | None = None) -> str:
        """The table, in at most that many columns of text (those of the terminal unless given)."""
        from pyautograd.nn.summary_table import render

        return render(self, self._depth, width or shutil.get_terminal_size().columns)

    __str__ = __repr__ = table


def summarize(model: Module, *inputs: Any, dtype: Any = None, depth: int | None = None) -> Summary:
    """The implementation of `Module.summary`, which says what it does."""
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected a Module, got {type(model).__name__}")
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ValueError(f"summary: expected a depth of at least 0, or None, got {depth!r}")
    layouts = _layouts(model, inputs, dtype)
    with _unchanged(model):
        try:
            with Tracer() as tracer:
                made = [
                    wrap(tracer.input(shape, kind, f"input{i}"))
                    for i, (shape, kind, _) in enumerate(layouts)
                ]
                layers = _run(model, made)
        except RuntimeError:  # it asks for values; or the error is its own, and comes again
            given = [x or wrap(np.zeros(shape, kind)) for shape, kind, x in layouts]
            layers = _run(model, given)
    return Summary(model, layers, depth)


# ---- the inputs ----------------------------------------------------------------------------------


def _layouts(model: Module, inputs: Any, dtype: Any) -> list[tuple[Shape, Any, Tensor | None]]:
    """Shape and dtype of each input, and the tensor where it is one."""
    if len(inputs) == 1 and isinstance(inputs[0], (tuple, list)) and not _is_shape(inputs[0]):
        inputs = tuple(inputs[0])
    kinds = dtype if isinstance(dtype, (tuple, list)) else [dtype] * len(inputs)
    if len(kinds) != len(inputs):
        raise ValueError(f"summary: got {len(kinds)} dtypes for {len(inputs)} inputs")
    floats = (p.dtype for p in model.parameters() if p.is_floating_point())
    usual = next(floats, float32)
    found: list[tuple[Shape, Any, Tensor | None]] = []
    for x, kind in zip(inputs, kinds, strict=True):
        if isinstance(x, Tensor):
            found.append((x.shape, x.dtype, x.detach()))
        elif _is_shape(x):
            shape = tuple([int(n) for n in x])
            found.append((shape, usual if kind is None else as_dtype(kind), None))
        else:
            raise TypeError(
                "summary: expected each input as its shape, a tuple of integers with the batch "
                f"first, or as a tensor; got {x!r}"
            )
    return found


def _is_shape(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and all(
        isinstance(n, (int, np.integer)) and n >= 0 for n in x
    )


# ---- the run -------------------------------------------------------------------------------------


@contextlib.contextmanager
def _unchanged(model: Module) -> Iterator[None]:
    """Records nothing, and puts back buffers, gradients, hooks and the random numbers."""
    modules = list(model.modules())
    buffers = [(m, m._buffers.copy()) for m in modules]
    values = [(b, b._array, b._array.copy()) for b in model.buffers()]
    grads = [(p, p.grad) for p in model.parameters()]
    hooks = [(m, m.__dict__.get("_hooks")) for m in modules]
    numbers = default_generator.get_state()
    try:
        with no_grad():
            yield
    finally:
        default_generator.set_state(numbers)
        for p, grad in grads:
            p.grad = grad
        for b, array, before in values:
            b._array = array
            if not np.array_equal(array, before, equal_nan=array.dtype.kind == "f"):
                array[...] = before
        for m, named in buffers:
            for name, buffer in named.items():
                if m._buffers.get(name) is not buffer:
                    m._register(m._buffers, name, buffer)
        for m, before in hooks:
            object.__setattr__(m, "_hooks", before)


def _run(model: Module, inputs: list[Tensor]) -> list[Layer]:
    """A forward, and what was seen of it."""
    layers = _layers_of(model)
    of_module = {id(m): layer for m, layer in layers if layer.same_as is None}
    stack: list[tuple[Layer, Any]] = []

    def before(module: Module, args: Any, kwargs: Any) -> None:
        layer = of_module[id(module)]
        stack.append((layer, (args, kwargs)))
        layer.calls += 1
        if layer.calls == 1:
            layer.inputs = tuple(_shapes((args, kwargs)))

    def after(module: Module, args: Any, output: Any) -> None:
        layer, _ = stack.pop()
        if layer.calls == 1:
            layer.outputs = tuple(_shapes(output))

    def count(op: Op, args: tuple[Any, ...], run: Any) -> Any:
        result = run()
        operands, attrs = op.operands(args)
        outputs = [Layout.of(y) for y in (result if type(result) is tuple else (result,))]
        cost = op.cost([Layout.of(x) for x in operands], attrs, outputs)
        if stack:
            stack[-1][0].flops += cost.flops
            if not op.view and op.name != "detach":
                stack[-1][0].memory += sum([y.nbytes for y in outputs if y is not None])
        return result

    with contextlib.ExitStack() as handles:
        for module in model.modules():
            handles.enter_context(
                module.register_forward_pre_hook(before, prepend=True, with_kwargs=True)
            )
            handles.enter_context(module.register_forward_hook(after))
        handles.enter_context(watch_ops(count))
        try:
            model(*inputs)
        except Exception as error:
            raise _misfit(stack, error) from error
    return [layer for _, layer in layers]


def _misfit(stack: list[tuple[Layer, Any]], error: Exception) -> RuntimeError:
    """Which layer could not take what it was given."""
    if not stack:
        return RuntimeError(f"summary: {error}")
    layer, given = stack[-1]
    shapes = " and ".join(map(str, _shapes(given))) or "no tensors"
    where = f"{layer.path} ({layer.label})" if layer.path else layer.label
    return RuntimeError(f"summary: {where}, given {shapes}: {error}")


def _layers_of(model: Module) -> list[tuple[Module, Layer]]:
    """A layer for each place of the tree; each parameter is counted once."""
    first: dict[int, str] = {}
    counted: set[int] = set()
    found = []
    stack: list[tuple[str, Module]] = [("", model)]
    while stack:
        path, module = stack.pop()
        layer = Layer(path, module, first.get(id(module)))
        found.append((module, layer))
        if layer.same_as is not None:
            continue
        first[id(module)] = path
        for p in module._parameters.values():
            if p is not None and id(p) not in counted:
                counted.add(id(p))
                layer.parameters += math.prod(p.shape)
        children = [(f"{path}.{name}" if path else name, m) for name, m in module._modules.items()]
        stack.extend(reversed([(name, m) for name, m in children if m is not None]))
    return found


def _shapes(value: Any) -> Iterator[Shape]:
    """The shapes of the tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield tuple(value.shape)
    elif isinstance(value, dict):
        yield from _shapes(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for x in value:
            yield from _shapes(x)
