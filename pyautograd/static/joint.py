"""Functions whose results are on the tape: their gradients as a second plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.autograd.function import Function, once_differentiable
from pyautograd.graph import FREED, Node
from pyautograd.static.graph import Call, Graph, Input, Value
from pyautograd.tensor import Tensor, wrap


class Joint:
    """The two graphs of a function and of its gradients, and what passes between them."""

    def __init__(self, tracer: Any, outputs: list[Tensor], inputs: list[Tensor]) -> None:
        """Traces the gradients: called with the outputs, while the tracer is at work.

        inputs: the symbols of the arguments, some of which may have gradients.
        """
        graph: Graph = tracer.graph
        self._mark = len(graph.calls)
        self._given = len(graph.inputs)
        roots: list[Any] = [y._node for y in outputs]
        nodes = _leaves(roots)
        tensors = [node.kept() for node in nodes]
        # What has gradients: tensors that the function finds, and arguments by their numbers.
        numbers = {id(x): i for i, x in enumerate(inputs)}
        self._leaves: list[Any] = [numbers.get(id(t), t) for t in tensors]
        self.found = [t for t in self._leaves if isinstance(t, Tensor)]
        seeds = [tracer.input(y.shape, y.dtype, f"gradient{i}") for i, y in enumerate(outputs)]
        grads = tape.run_backward(roots, seeds, False, False, nodes)
        self.grads = [_value(tracer, grads[node]) for node in nodes]

    def leaves(self, arguments: Sequence[Tensor]) -> list[Tensor]:
        """What has gradients, in a call with these arguments."""
        if len(self.found) == len(self._leaves):
            return self.found
        return [arguments[t] if type(t) is int else t for t in self._leaves]

    def split(self, graph: Graph) -> Graph:
        """Leaves the function in `graph`, with what its gradients need as further results."""
        backward = Graph()
        seeds = graph.inputs[self._given :]
        graph.inputs = graph.inputs[: self._given]
        calls, graph.calls = graph.calls[self._mark :], graph.calls[: self._mark]
        made = {y for call in graph.calls for y in call.outputs}
        instead: dict[Value, Value] = {}

        def handed(name: str, x: Value) -> Value:
            value = Value(x.shape, x.dtype, source=Input(len(backward.inputs), name))
            backward.inputs.append(value)
            return value

        def there(x: Any) -> Any:
            """The operand in the graph of the gradients."""
            if not isinstance(x, Value) or isinstance(x.source, np.ndarray):
                return x
            if x in instead or (x.call is not None and x not in made):
                return instead.get(x, x)
            if x.call is not None and x.call.op is not None and x.call.op.view:
                again = Call(
                    x.call.name, x.call.op, list(map(there, x.call.operands)), x.call.attrs
                )
                again.outputs = [Value(x.shape, x.dtype, again)]
                backward.calls.append(again)
                instead[x] = again.outputs[0]
            else:
                instead[x] = handed(f"saved{len(graph.results)}", x)
                graph.results.append(x)
            return instead[x]

        for i, seed in enumerate(seeds):
            instead[seed] = handed(f"gradient{i}", seed)
        self.saved_from = len(graph.results)
        for call in calls:
            call.operands = list(map(there, call.operands))
            backward.calls.append(call)
        backward.results = [there(g) for g in self.grads if g is not None]
        return backward


def leads_back(y: Tensor) -> bool:
    """Whether a backward from y is possible: the program has not gone through its graph already."""
    if y._node is None:
        return False
    return all(node.kept is not FREED for node in tape.reachable(y._node))


def _leaves(roots: list[Node]) -> list[Node]:
    """The nodes of the leaves behind these, in a fixed order."""
    nodes = dict.fromkeys(node for root in roots for node in tape.reachable(root))
    return [node for node in nodes if not node.edges and node.kept() is not None]


def _value(tracer: Any, grad: Any) -> Value | None:
    return None if grad is None else tracer.value(grad)


class PlannedFunction(Function):
    """A run of the function's plan; its backward is a run of the gradients' plan."""

    @staticmethod
    def forward(ctx: Any, program: Any, inputs: list[Any], *leaves: Tensor) -> Any:
        """The results of the program."""
        joint = program.joint
        results = program.plan.run(inputs)
        # So that a change before backward is noticed; of arguments it has copies.
        ctx.save_for_backward(*joint.found)
        ctx.program, ctx.kept = program, results[joint.saved_from :]
        outputs = [wrap(y) for y in results[: joint.saved_from]]
        ctx.mark_non_differentiable(*[y for i, y in enumerate(outputs) if i not in program.on_tape])
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients of the leaves."""
        program, joint = ctx.program, ctx.program.joint
        seeds = [np.ascontiguousarray(grads[i]._array) for i in program.on_tape]
        found = iter(program.gradients.run([*seeds, *ctx.kept]))
        return None, None, *[wrap(next(found)) if g is not None else None for g in joint.grads]
