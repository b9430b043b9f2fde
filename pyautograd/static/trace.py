"""Runs a program once without computing anything, and notes the ops that it calls."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.graph import GraphError, SymbolicNumber
from pyautograd.op import OPS, Op
from pyautograd.ops.inplace import Region, region
from pyautograd.ops.random import Generator
from pyautograd.origin import users_line
from pyautograd.static.fit import layouts
from pyautograd.static.found import attributes_of, own_tensors
from pyautograd.static.graph import Call, Draw, Graph, Input, Value
from pyautograd.static.outside import is_symbol
from pyautograd.static.places import Places
from pyautograd.static.shapes import layouts_of
from pyautograd.static.sizes import Sizes
from pyautograd.static.symbolic import evaluate, sizes_in
from pyautograd.tensor import Tensor, wrap
from pyautograd.watch import watch_ops


class Leaf:
    """A tensor whose `grad` the program changes."""

    __slots__ = ("after", "before", "cleared", "ends_without", "flushed", "tensor")

    def __init__(self, tensor: Tensor, before: Tensor | None) -> None:
        self.tensor = weakref.ref(tensor)
        self.before = before  # its grad when the program starts
        self.cleared = False  # the program never reads that
        self.after: Tensor | None = None  # the tensor that the plan leaves as grad, at every run
        self.ends_without = False  # the program leaves no grad
        self.flushed: Any = None  # the value written there last


class Tracer:
    """A context manager: notes what this thread does in `graph`.

    known: tensors whose grad the program may change, from an earlier trace or by its modules.
    sizes: what answers questions about sizes that are unknown, where there are any.
    """

    def __init__(self, known: tuple[Tensor, ...] = (), sizes: Sizes | None = None) -> None:
        self.graph = Graph()
        self.sizes = sizes
        self.leaves: dict[int, Leaf] = {}
        self.modules: dict[int, tuple[Any, dict[str, Any]]] = {}  # and what they had
        # Attributes of modules that each run sets anew, to a tensor of the program.
        self.assigned: list[tuple[Any, str, Tensor]] = []
        self._known = {id(t): (t, t.grad) for t in known}
        self._read: dict[int, Value] = {}  # captured arrays, by id, as they are now
        self.read_by_python: list[tuple[Any, int]] = []  # arrays, and the version of each
        self._captured: set[int] = set()  # ids of all that were ever read
        self._made: dict[int, Any] = {}  # arrays that the program has made, by id
        self._regions: dict[int, Region] = {}  # of values that are parts of others, by id
        self._owners: dict[int, list[int]] = {}  # ids of captured arrays that share memory
        self._ops = watch_ops(self._call)
        self._mode = modes.tracing(self)
        self._places = Places()

    def __enter__(self) -> Tracer:
        self._places.__enter__()
        self._ops.__enter__()
        self._mode.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._mode.__exit__(*exc)
        self._ops.__exit__(*exc)
        self._places.__exit__(*exc)
        self._ops = self._mode = None  # type: ignore[assignment]  # no circles

    # ---- what goes in ----------------------------------------------------------------------------

    def input(self, shape: tuple[int, ...], dtype: Any, name: str) -> Value:
        value = Value(shape, dtype, source=Input(len(self.graph.inputs), name))
        self.graph.inputs.append(value)
        return value

    def draw(
        self, draw: Callable[[tuple[int, ...]], Any], shape: tuple[int, ...], source: Generator
    ) -> Tensor:
        """Random numbers from `source`, made anew for each run."""
        before = source.get_state()
        is_open = self.sizes is not None and any(True for _ in sizes_in(shape))
        example = evaluate(shape, self.sizes.probes[0]) if is_open else shape  # type: ignore[union-attr]
        sample = np.asarray(draw(example))  # for its layout; each run draws its own
        source.set_state(before)
        layout = shape if is_open else sample.shape
        value = Value(layout, sample.dtype, source=Draw(draw, shape))
        self.graph.draws.append(value)
        return wrap(value)

    def made(self, array: Any) -> None:
        """Called when the program makes an array: a constant of each run, unless it changes it."""
        self._made[id(array)] = array

    def value(self, array: Any) -> Value:
        """An array's elements, as they are in each run when the program comes here."""
        if isinstance(array, Value):
            return array
        key = id(array)
        found = self._read.get(key)
        if found is None:
            found = Value(array.shape, array.dtype, source=array)
            self._read[key] = found
            self._captured.add(key)
            self._owners.setdefault(id(modes.owner(array)), []).append(key)
        return found

    def _operand(self, x: Any) -> Any:
        if x is None or isinstance(x, (int, float, Value, SymbolicNumber)):
            return x
        if isinstance(x, np.generic):
            x = np.asarray(x)
        return self.value(x)

    def refuse_to_read(self, array: Any) -> None:
        """GraphError where Python asks for elements that each run reads anew."""
        if not isinstance(array, Value) and id(array) not in self._made:
            self.value(array).item()

    def read_for_key(self, array: Any) -> None:
        """Called when elements become part of an index: if they change, that is another program."""
        if id(array) not in self._made:
            self.read_by_python.append((array, modes.version(array)))

    # ---- ops -------------------------------------------------------------------------------------

    def _call(self, op: Op, args: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        """What a call of an op gives: handler of `watch_ops`."""
        if op.name in _C.opcodes:  # numbers are operands like others
            operands, attrs = list(args), ()
        elif op.inputs < 0:
            operands, attrs = list(args[0]), args[1:]
        else:
            operands, attrs = list(args[: op.inputs]), args[op.inputs :]
        return self.call(op, [self._operand(x) for x in operands], attrs)

    def call(self, op: Op, operands: list[Any], attrs: tuple[Any, ...]) -> Any:
        if any(map(_holds_value, attrs)):
            raise GraphError(
                f"{op.name}: an index computed from tensors cannot be used here in a static graph, "
                f"at {users_line()}; use gather(), where() or index_select()"
            )
        call = Call(op.name, op, operands, attrs)
        found = self._layouts(op, operands, attrs)
        call.outputs = [Value(shape, dtype, call) for shape, dtype in found]
        call.modules = self._places.modules(call.backward)
        self.graph.calls.append(call)
        return tuple(call.outputs) if len(call.outputs) > 1 else call.outputs[0]

    def _layouts(self, op: Op, operands: list[Any], attrs: tuple[Any, ...]) -> list[Any]:
        if self.sizes is not None:
            shapes = [getattr(x, "shape", x) for x in operands]
            if any(True for _ in sizes_in([*shapes, *attrs])):
                return layouts(self.sizes, op, operands, attrs, layouts_of)
        return layouts_of(op, operands, attrs)

    # ---- changes in place ------------------------------------------------------------------------

    def store(self, x: Tensor, key: Any, value: Any) -> None:
        """x[key] = value, of a tensor of the program's or one that was there before."""
        value = self.value(value)
        base = getattr(x, "_base", x)
        place = self.region(x, base) if base is not x else None
        if place is None:
            base = x
        views = [v for r in getattr(base, "_views", ()) if (v := r()) is not None]
        places = [self.region(v, base) for v in views]
        self._write_into(base, key if place is None else place, x, key, value)
        for view, there in zip(views, places, strict=True):
            if there is not None:
                view._array = self.call(OPS["part"], [self.value(base._array)], (there,))
                self._regions[id(view._array)] = there

    def _write_into(self, base: Tensor, where: Any, x: Tensor, key: Any, value: Value) -> None:
        """The base with the value at `where`: a key, or the region that the view x has of it."""
        if id(base._array) in self._made:  # each run starts from what it was when it was made
            base._array = self.call(OPS["clone"], [self.value(base._array)], ())
        array = base._array
        whole = len(key) == 1 and key[0] is ...
        if x is not base and not (whole and value.shape == x.shape):
            value = self.call(OPS["assign"], [self.value(x._array), value], (key,))
        if isinstance(array, Value):
            if x is base and whole and value.shape == array.shape and value.dtype == array.dtype:
                base._array = value
            else:
                base._array = self.call(OPS["assign"], [array, value], (where,))
            return
        target = where.of(array) if x is not base else array if whole else array[key]
        if not np.may_share_memory(target, array):
            whole_value = self.call(OPS["assign"], [self.value(array), value], (where,))
            target, value = array, whole_value
        self.write(target, value)

    def replace(self, x: Tensor, array: Any) -> None:
        """x.data = a tensor of this array: its values go into the memory that x has."""
        if _same_layout(array, x):
            self.store(x, (...,), array)
        elif isinstance(x._array, Value):
            x._array = self.value(array)
        else:
            raise GraphError(
                f"data: a tensor of {x.dtype} and shape {x.shape} cannot become one of "
                f"{array.dtype} and shape {array.shape} in a static graph, at {users_line()}"
            )

    def region(self, x: Tensor, base: Tensor) -> Any:
        """Where x lies in the memory of its base; None where it has a copy.

        Found by going the way from the base to x once more, with memory that nobody touches.
        """
        if any(True for _ in sizes_in(base.shape)):
            raise GraphError(
                "a change in place of a view, or of a tensor that has views, needs sizes that are "
                f"known; make a new tensor instead: {users_line()}"
            )
        start, value, calls = self.value(base._array), x._array, []
        while value is not start and id(value) not in self._regions:
            call = value.call if isinstance(value, Value) else None
            if call is None or call.op is None or not call.op.view:
                return None
            calls.append((call.op, call.attrs))
            value = call.operands[0]
        array = memory = _untouched(base._array)
        if value is not start:
            array = self._regions[id(value)].of(memory)
        for op, attrs in reversed(calls):
            array = op.forward(array, *attrs)
        if not np.may_share_memory(array, memory):
            return None
        if not array.flags.writeable:
            raise ValueError(
                f"a change in place of an expanded view, whose memory is read-only: {users_line()}"
            )
        return region("a change in place", array, memory)

    def write(self, target: Any, value: Value) -> None:
        """Writes a value, broadcast and cast, into the memory of an array."""
        if value.dtype != target.dtype:
            name = "cast" if target.dtype.kind == "f" else "cast_discrete"
            value = self.call(OPS[name], [value], (target.dtype,))
        np.broadcast_shapes(target.shape, value.shape)
        self.graph.calls.append(Call("write", None, [self.value(target), value]))
        self.forget(target)

    def forget(self, array: Any) -> None:
        """After this the memory of the array holds other values."""
        for key in self._owners.pop(id(modes.owner(array)), ()):
            self._read.pop(key, None)

    # ---- gradients and optimisers ----------------------------------------------------------------

    def touch(self, tensor: Tensor, clears: bool = False) -> None:
        """Called before the program adds to `tensor.grad`, or clears it."""
        leaf = self.leaves.get(id(tensor))
        if leaf is not None:
            return
        before = tensor.grad
        cleared = clears
        if id(tensor) in self._known and before is None:
            before = self._known[id(tensor)][1]
            cleared = cleared or before is not None
        leaf = self.leaves[id(tensor)] = Leaf(tensor, before)
        leaf.cleared = cleared

    def _leaf(self, tensor: Tensor) -> Leaf | None:
        """The account of its grad; None where the program has not changed that."""
        leaf = self.leaves.get(id(tensor))
        if leaf is None:
            before = self._known[id(tensor)][1] if id(tensor) in self._known else None
            if tensor.grad is not before and (id(tensor) in self._known or is_symbol(tensor.grad)):
                leaf = self.leaves[id(tensor)] = Leaf(tensor, before)  # set by hand
                leaf.cleared = tensor.grad is None
        return leaf

    def flush(self, tensor: Tensor) -> None:
        """Brings the gradient so far into the memory of the tensor that the plan leaves as grad."""
        grad, leaf = tensor.grad, self._leaf(tensor)
        if grad is None or leaf is None or (grad is leaf.before and not is_symbol(grad)):
            return
        if leaf.flushed is grad._array:
            return
        leaf.flushed = grad._array
        if leaf.after is None:
            keep = leaf.before is not None and not leaf.cleared
            leaf.after = leaf.before if keep else wrap(np.empty(grad.shape, grad.dtype))
        assert leaf.after is not None
        self.write(leaf.after._array, self.value(grad._array))

    def step(self, optimizer: Any, chosen: list[list[Tensor]]) -> None:
        """An optimiser's step over the parameters that it chose in each group."""
        params = [p for group in chosen for p in group]
        for p in params:
            self.flush(p)
        grads = [self.value(p.grad._array) for p in params if p.grad is not None]
        self.graph.calls.append(Call("optimizer", None, grads, (optimizer, chosen)))
        for p in params:
            self.forget(p._array)
        for p in params:
            for entry in optimizer.state.get(p, {}).values():
                if isinstance(entry, Tensor):
                    self.forget(entry._array)

    def finish(self) -> None:
        """After the program: what it leaves in gradients, and in attributes of modules."""
        arrays = [
            t._array
            for module, _ in self.modules.values()
            for t in own_tensors(module)
            if not is_symbol(t)
        ]
        self.graph.watched = [*arrays, *self._made.values()]
        for known, _ in self._known.values():
            self._leaf(known)
        for leaf in self.leaves.values():
            tensor = leaf.tensor()
            if tensor is not None and not isinstance(tensor._array, Value):
                self.flush(tensor)
                leaf.ends_without = tensor.grad is None
        for module, name, before in self._set_attributes():
            value = vars(module)[name]
            if self._is_state(module, name, before) and _same_layout(value, before):
                self.write(before._array, value._array)
            else:
                self.assigned.append((module, name, wrap(value._array)))

    def _is_state(self, module: Any, name: str, before: Any) -> bool:
        """Whether the program has read, by this attribute alone, the values that it had before."""
        if not isinstance(before, Tensor):
            return False
        if name in module._buffers:
            return True
        registered = {
            id(modes.owner(t._array))
            for m, _ in self.modules.values()
            for t in own_tensors(m)
            if not is_symbol(t)
        }
        array = before._array
        return id(array) in self._captured and id(modes.owner(array)) not in registered

    def _set_attributes(self) -> Iterator[tuple[Any, str, Any]]:
        """The modules' attributes that have become tensors of the program, and what they were."""
        for module, before in self.modules.values():
            for name, value in list(vars(module).items()):
                if is_symbol(value) and not is_symbol(before.get(name)):
                    yield module, name, before.get(name, _MISSING)

    def restore(self) -> None:
        """Puts gradients and attributes back to what they were: nothing has run yet."""
        for module, name, before in self._set_attributes():
            if before is _MISSING:
                delattr(module, name)
            else:
                setattr(module, name, before)
        for leaf in self.leaves.values():
            tensor = leaf.tensor()
            if tensor is not None:
                tensor.grad = leaf.before

    def entered(self, module: Any) -> None:
        """Called when a module runs: what it has is part of what was traced."""
        if id(module) not in self.modules:
            for part in module.modules():
                self.modules.setdefault(id(part), (part, attributes_of(part)))


_MISSING = object()


def _same_layout(x: Any, y: Any) -> bool:
    return (x.shape, x.dtype) == (y.shape, y.dtype)


def _untouched(array: Any) -> Any:
    """Memory of this layout, which is not there as long as nobody touches it."""
    if isinstance(array, Value):
        return np.empty(array.shape, array.dtype)
    return np.empty_like(array)


def _holds_value(attribute: Any) -> bool:
    if isinstance(attribute, (tuple, list)):
        return any(map(_holds_value, attribute))
    return isinstance(attribute, Value)
