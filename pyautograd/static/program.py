"""A function as it was traced for one kind of arguments, and its plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.func.pytree import leaves, rebuild, tree_map
from pyautograd.graph import GraphError
from pyautograd.modes import enable_grad, is_grad_enabled, state
from pyautograd.static.found import Found
from pyautograd.static.graph import Graph, Value
from pyautograd.static.joint import Joint, PlannedFunction, leads_back
from pyautograd.static.lower import lower
from pyautograd.static.outside import Outside
from pyautograd.static.passes import PASSES
from pyautograd.static.settings import watch_settings
from pyautograd.static.sizes import Guard, Sizes
from pyautograd.static.symbolic import Values
from pyautograd.static.template import concrete
from pyautograd.static.trace import Leaf, Tracer
from pyautograd.tensor import Tensor, wrap

BATCH = "N"


def is_input(x: Any) -> bool:
    """Whether a run is handed the values of x; other arguments are part of the program."""
    return type(x) is Tensor and x._node is None


def is_taped(x: Any) -> bool:
    """Whether x was computed from tensors that require a gradient: a run hands it gradients."""
    return type(x) is Tensor and x._node is not None and bool(x._node.edges)


class InputGradError(GraphError):
    """The function itself goes back through what its arguments were computed from."""


class Planned:
    """What a graph does around its plans: gradients that it leaves, and the results' structure."""

    name = "plan"  # for the profiler
    joint: Joint | None = None
    on_tape: tuple[int, ...] | list[int] = ()
    # Attributes of modules that a run sets, and to which of the plan's results.
    assigned: Sequence[tuple[Any, str, int]] = ()
    # Settings of groups that the function sets: optimiser, number, name and value.
    settings: Sequence[tuple[Any, int, str, Any]] = ()

    def _leave(self, leaves: list[Leaf], graph: Graph) -> None:
        """Notes the gradients that a run leaves, and the other arrays that it changes."""
        self.left: list[tuple[Tensor, Tensor | None, Tensor | None]] = []  # in the run, after it
        for leaf in leaves:
            tensor = leaf.tensor()
            if tensor is not None and (leaf.after is not None or leaf.ends_without):
                self.left.append((tensor, leaf.after, None if leaf.ends_without else leaf.after))
        # A tensor may have no gradient at the end, though a step within the run reads one.
        self.cleared = [(tensor, end) for tensor, grad, end in self.left if grad is not end]
        kept = {id(leaf.after._array) for leaf in leaves if leaf.after is not None}
        written = changed_arrays(graph, kept)
        self.written = modes.changed_together(written, "compile") if written else None

    def _return(self, result: Any, outputs: list[Tensor]) -> None:
        """Notes the structure of what is returned; a run computes the tensors `outputs`."""
        places = {id(y): i for i, y in reversed(list(enumerate(outputs)))}
        self._result = result
        # The place of each tensor among the results, or what is returned as it is.
        self._outputs = [Place(places[id(y)]) if id(y) in places else y for y in leaves(result)]
        self._single = isinstance(result, Tensor) and len(outputs) == 1

    def results(self, tensors: list[Tensor]) -> Any:
        """The results of a run in the structure that the program returned."""
        if self._single:
            return tensors[0]
        return rebuild(
            self._result,
            iter([tensors[y.number] if isinstance(y, Place) else y for y in self._outputs]),
        )


class Program(Planned):
    """A function traced for one kind of arguments: its graphs, and when they fit.

    With a `batch`, dimension 0 of the inputs that have that size is left open.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: Any,
        kwargs: Any,
        inputs: list[Tensor],
        known: tuple[Tensor, ...],
        batch: int | None = None,
    ) -> None:
        """inputs: the arguments of which a run takes the values, as they stand in these."""
        start = time.perf_counter()
        self.name = getattr(function, "__name__", type(function).__name__)
        self.variants: dict[int | None, Variant] = {}  # by batch
        self.one_batch: int | None = None  # that it serves, though others were hoped for
        self.sizes: Sizes | None = None
        numbers = {id(x) for x in inputs}
        others = [x for x in leaves((args, kwargs)) if id(x) not in numbers]
        outside, since = Outside(function, others), state.layouts
        shapes: list[Any] = [x.shape for x in inputs]
        if batch is not None:
            self.sizes = Sizes(least=2)
            n = self.sizes.unknown(BATCH, batch, (2, 3, 7))
            shapes = [(n, *s[1:]) if s and s[0] == batch else s for s in shapes]
        tracer = Tracer((*known, *outside.leaves()), self.sizes)
        for module in outside.modules:
            tracer.entered(module)
        settings = watch_settings(outside.optimizers)
        made = [
            wrap(tracer.input(shape, x.dtype, f"input{i}"))
            for i, (x, shape) in enumerate(zip(inputs, shapes, strict=True))
        ]
        handed = [x._array for x in made]
        taped = [
            x.requires_grad_() for x, given in zip(made, inputs, strict=True) if is_taped(given)
        ]
        rest = iter(made)
        args, kwargs = tree_map(lambda x: next(rest) if id(x) in numbers else x, (args, kwargs))
        try:
            with tracer, settings:
                result = function(*args, **kwargs)
                for i, (x, value) in enumerate(zip(made, handed, strict=True)):
                    if x._array is not value:
                        raise GraphError(
                            f"compile: the function changes its argument {i} (tensors counted from "
                            "0) in place; return the new value instead"
                        )
                if any(id(x) in tracer.leaves for x in taped):
                    raise InputGradError
                outside.refuse_symbols()
                tracer.finish()
                outputs = [
                    y
                    for y in leaves(result)
                    if isinstance(y, Tensor) and isinstance(y._array, Value)
                ]
                self.assigned = [
                    (module, name, len(outputs) + i)
                    for i, (module, name, _) in enumerate(tracer.assigned)
                ]
                back = [y for y in outputs if leads_back(y)]
                self.joint = Joint(tracer, back, made) if back else None
                if back:
                    tracer.graph.watched = []  # they change from one run to the next
        finally:
            tracer.restore()
        tracer.graph.results = [y._array for y in [*outputs, *[t for _, _, t in tracer.assigned]]]
        on_tape = {id(y) for y in back}
        self.on_tape = [i for i, y in enumerate(outputs) if id(y) in on_tape]
        self._return(result, outputs)
        self.graphs = [tracer.graph]
        if self.joint is not None:
            self.graphs.append(self.joint.split(tracer.graph))
        self.leaves = list(tracer.leaves.values())
        self.settings = settings.found
        optimizers = {
            id(c.attrs[0]): c.attrs[0] for c in tracer.graph.calls if c.name == "optimizer"
        }
        self._found = Found(outside, list(tracer.modules.values()), since)
        self._found.watch(
            self.leaves, list(optimizers.values()), tracer.assigned, tracer.read_by_python
        )
        self.fits = self._found.still  # whether it would be traced the same now
        self._leave(self.leaves, self.graphs[0])
        self.seconds = time.perf_counter() - start

    def reason(self) -> str:
        """What has changed so that it does not fit any longer."""
        return self._found.reason()

    def broken(self, batch: int) -> list[Guard]:
        """What the program was told of its batch that does not hold for this one."""
        return self.sizes.broken({BATCH: batch}) if self.sizes is not None else []

    def variant(self, batch: int | None) -> Variant | None:
        """A plan for a batch; None where the program is not what would be traced for it."""
        start = time.perf_counter()
        values = None
        if self.sizes is None:
            if batch != self.one_batch:
                return None
        else:
            assert batch is not None
            values = {BATCH: batch}
            if not self.sizes.hold(values):
                return None
        try:
            found = Variant(self, self.graphs, values)
        except (GraphError, ValueError, IndexError, ArithmeticError):
            if values is None:
                raise
            return None  # other shapes than were foreseen
        found.seconds = time.perf_counter() - start + (0 if self.variants else self.seconds)
        self.variants[batch] = found
        return found


class Variant:
    """A plan of a program, for given shapes of the inputs."""

    def __init__(self, program: Planned, graphs: list[Graph], sizes: Values | None) -> None:
        self.program: Any = program  # a Planned
        self.joint, self.on_tape = program.joint, program.on_tape
        self.grad_enabled = is_grad_enabled()
        self._graphs, self._sizes = graphs, sizes
        own = self.source()
        # Arrays of the inputs' layouts, which take no memory.
        self.like = tuple([np.broadcast_to(np.zeros((), x.dtype), x.shape) for x in own[0].inputs])
        for graph in own:
            for improve in PASSES:
                improve(graph)
        self.plan, *others = map(lower, own)
        self.plan.name = program.name
        for plan in others:
            plan.name = f"{program.name}, gradients"
        self.gradients = others[0] if others else None
        self.seconds = 0.0

    def source(self) -> list[Graph]:
        """The graphs as they were traced, for the plan's sizes: copies, for passes to change."""
        return [concrete(graph, self._sizes) for graph in self._graphs]

    def arrays(self, args: tuple[Any, ...]) -> list[Any] | None:
        """The arrays of plain arguments, if they are what the plan was made for."""
        if is_grad_enabled() is not self.grad_enabled:
            return None
        return _C.matching_arrays(args, self.like, Tensor)

    def run(self, arrays: list[Any], inputs: Sequence[Tensor] = ()) -> Any:
        """Runs the plan on the arrays of the inputs, C-contiguous.

        inputs: the arguments themselves, where some have gradients.
        """
        program = self.program
        for optimizer, i, name, value in program.settings:
            optimizer.param_groups[i][name] = value
        # After the first run the gradients are there already, unless somebody has cleared them.
        before = [
            (tensor, tensor.grad) for tensor, grad, _ in program.left if tensor.grad is not grad
        ]
        if before:
            for tensor, grad, _ in program.left:
                tensor.grad = grad
        try:
            if self.joint is None:
                tensors = [wrap(y) for y in self.plan.run(arrays)]
            elif self.grad_enabled:
                tensors = PlannedFunction.apply(self, arrays, *self.joint.leaves(inputs))
            else:
                with enable_grad():  # as the function has done inside
                    tensors = PlannedFunction.apply(self, arrays, *self.joint.leaves(inputs))
        except BaseException:
            for tensor, grad in before:
                tensor.grad = grad
            if program.written is not None:
                program.written.mark()
            raise
        for tensor, grad in program.cleared:
            tensor.grad = grad
        if program.written is not None:
            program.written.mark()
        for module, name, i in program.assigned:
            module.__dict__[name] = tensors[i].detach()
            if name in module._buffers:
                module._buffers[name] = module.__dict__[name]
        return program.results(tensors)

    def explain(self, verbose: bool) -> str:
        """See report.py."""
        from pyautograd.static.report import report

        return report(self, verbose)


def changed_arrays(graph: Graph, kept: set[int]) -> list[Any]:
    """The arrays outside that a graph changes, but for those with these ids."""
    found = []
    for call in graph.calls:
        if call.name == "write":
            if id(call.operands[0].source) not in kept:
                found.append(call.operands[0].source)
        elif call.name == "optimizer":
            found += [p._array for group in call.attrs[1] for p in group]
    return found


class Place:
    """A tensor that the function returns: which of the plan's results it is."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number
