"""The tape: the order of backward, `backward` and `grad`. Knows no op.

Backward counts how often each node is an input of another, then visits nodes whose consumers are
all done, last found first. The order is fixed by the graph, hence so is the order of additions.
Counts and pending gradients live in the nodes' slots: dictionaries would cost 290 ns a node.

Gradient rules run in a *space*: `arrays` (kernels on plain arrays, nothing recorded) or `tensors`
(the same ops on Tensors, recorded) under `create_graph=True`.

Threads: any number may record and call backward, on graphs of their own or shared ones; backward
runs in one thread at a time, in the order in which they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pyautograd.graph import ARRAYS, FREED, OUT, SHAPE, Node, arrays, kept_values, record, tensors
from pyautograd.modes import GradMode, lock, mark_at_clock, modified_since, state, tracer

__all__ = ["OUT", "SHAPE", "Node", "arrays", "backward", "grad", "run_backward", "tensors"]

# ---- the walk ------------------------------------------------------------------------------------

_depth = 0  # walks under way in the thread that holds the lock


def _check_unmodified(node: Node) -> None:
    for value in node.kept:
        if isinstance(value, np.ndarray) and (op := modified_since(value, node.clock)):
            raise RuntimeError(
                f"backward: {node.op.name} saved a tensor of shape {value.shape} that {op} has "
                "changed in place since; clone() it before the change, or change a copy"
            )


class _Roots:
    """The rule of a node above several roots: each gets its seed."""

    name = "backward"
    fresh = False
    holds_arrays = False
    saves: tuple[int, ...] = ()

    def __init__(self, seeds: Sequence[Any]) -> None:
        self.seeds = seeds

    def rule(self, K: Any, g: Any, saved: Any, needs: Any) -> Sequence[Any]:
        return self.seeds


def run_backward(
    roots: Sequence[Node],
    seeds: Sequence[Any],
    create_graph: bool,
    retain_graph: bool,
    wanted: Iterable[Node] | None = None,
) -> dict[Node, Any]:
    """Carries the seeds from the roots to the leaves, or to the nodes `wanted`.

    Seeds are arrays, or Tensors under `create_graph`. Without `wanted`, gradients are added to the
    leaves' `grad`; with it, they are returned by node and no leaf changes. If anything raises, the
    graph is left as it was, but for values already freed.
    """
    if len(roots) == 1:
        root, seed = roots[0], seeds[0]
    else:
        root, seed = record(_Roots(seeds), tuple(roots), None), seeds[0]
    captured: dict[Node, Any] | None = None if wanted is None else dict.fromkeys(wanted)
    global _depth
    with lock:
        stashed = _stash(root) if _depth else ()
        _depth += 1
        try:
            if create_graph:
                with GradMode(True):
                    run_nodes(root, seed, True, retain_graph, captured)
            else:
                run_nodes(root, seed, False, retain_graph, captured)
        except BaseException as error:
            for node in reachable(root):
                node.pending, node.grad, node.owned = 0, None, False
            _note_origin(error)
            raise
        finally:
            _depth -= 1
            for node, *slots in stashed:
                node.pending, node.grad, node.owned = slots
    return captured or {}


def _note_origin(error: BaseException) -> None:
    """Says which line recorded the node whose rule failed, where anomaly mode knows it."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is run_nodes.__code__:
            node: Any = trace.tb_frame.f_locals.get("node")
            where = getattr(node, "where", None)
            if where is not None and where not in str(error) and hasattr(error, "add_note"):
                error.add_note(f"in the backward of {node.op.name}, recorded at {where}")
        trace = trace.tb_next


def reachable(root: Node) -> Iterable[Node]:
    seen = {root}
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        for edge in node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)


def _stash(root: Node) -> list[tuple[Node, int, Any, bool]]:
    """Sets aside what an outer backward, from one of whose hooks we come, keeps in the nodes."""
    stashed = []
    for node in reachable(root):
        if node.pending or node.grad is not None:
            stashed.append((node, node.pending, node.grad, getattr(node, "owned", False)))
            node.pending, node.grad, node.owned = 0, None, False
    return stashed


def _leading_to(root: Node, wanted: Iterable[Node]) -> set[Node]:
    """The nodes on a path from the root to one that is wanted."""
    needed = set(wanted)
    seen = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            if any(edge in needed for edge in node.edges):
                needed.add(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((edge, False) for edge in node.edges if edge is not None)
    return needed


def run_nodes(
    root: Node, seed: Any, create_graph: bool, retain_graph: bool, captured: dict[Node, Any] | None
) -> None:
    K = tensors if create_graph else arrays
    wrap = None if create_graph else tensors.wrap  # for hooks, which see Tensors
    add_into = arrays.add_into
    owns = not create_graph and not state.tracing  # nothing is added into what a graph holds
    needed = None if captured is None else _leading_to(root, captured)
    stack = [root]
    pop, push = stack.pop, stack.append

    while stack:  # count consumers
        for edge in pop().edges:
            if edge is not None and (needed is None or edge in needed):
                count = edge.pending
                edge.pending = count + 1
                if not count:
                    push(edge)

    root.grad = seed
    root.owned = False
    push(root)
    while stack:  # visit
        node = pop()
        g = node.grad
        node.grad = None
        edges = node.edges
        op = node.op
        hooks = node.hooks
        if hooks is not None and g is not None and (hooks.tensor or hooks.retain):
            g = hooks.on_tensor(g, wrap)
            node.owned = False
        if captured is not None:
            if node in captured:
                # Rules may hand one array to several inputs, or a view: copied, as at leaves.
                captured[node] = g if g is None or node.owned or create_graph else arrays.clone(g)
            edges = tuple([edge if edge in needed else None for edge in edges])  # type: ignore[operator]
            if not any(edges):
                continue
        elif not edges:
            if g is not None:
                _accumulate(node, g, create_graph)
            continue

        grads: Any
        if g is None:
            grads = (None,) * len(edges)
        else:
            if hooks is not None:
                g = hooks.before(g, wrap)
            saved = node.kept
            holds_arrays = saved is not None and op.holds_arrays
            if holds_arrays:
                if type(saved) is not tuple:
                    saved = kept_values(node)
                elif node.clock != state.clock:
                    _check_unmodified(node)
                if create_graph:
                    saved = _on_tape(node, saved)
            attrs = node.attrs
            # An empty * would cost 80 ns.
            grads = op.rule(K, g, saved, edges, *attrs) if attrs else op.rule(K, g, saved, edges)
            if node.layouts is not None:
                grads = [
                    None if x is None or edge is None else K.to_layout(x, *layout)
                    for x, edge, layout in zip(grads, edges, node.layouts, strict=True)
                ]
            if hooks is not None:
                grads = hooks.after(grads, g, wrap)
            if holds_arrays and not retain_graph:
                node.kept = FREED

        fresh = op.fresh and owns
        i = 0
        for edge in edges:
            if edge is not None:
                x = grads[i]
                if x is not None:
                    old = edge.grad
                    if old is None:
                        edge.grad = x
                        edge.owned = fresh
                    elif edge.owned:
                        add_into(old, x)
                    else:
                        edge.grad = K.add(old, x)
                        edge.owned = owns
                count = edge.pending - 1
                edge.pending = count
                if not count:
                    push(edge)
            i += 1


def _on_tape(node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """Saved arrays as Tensors on the tape, so that a rule run on them is recorded."""
    out = []
    for i, value in enumerate(saved):
        if isinstance(value, ARRAYS):
            value = tensors.wrap(value, node.op.source(node, i))
        out.append(value)
    return tuple(out)


def _accumulate(leaf: Node, g: Any, create_graph: bool) -> None:
    tensor = leaf.kept()
    if tensor is None:  # the leaf is gone, and its gradient with it
        return
    if state.tracing and (trace := tracer()) is not None:
        trace.touch(tensor)
    hooks = leaf.hooks
    if hooks is None:
        _add_to_grad(tensor, g, leaf.owned, create_graph)
        return
    wrap = None if create_graph else tensors.wrap
    _add_to_grad(tensor, hooks.before(g, wrap), False, create_graph)
    hooks.after((), g, wrap)
    for hook in tuple(hooks.accumulated.values()):
        hook(tensor)


def _add_to_grad(tensor: Any, g: Any, owned: bool, create_graph: bool) -> None:
    old = tensor.grad
    if create_graph:
        tensor.grad = g if old is None else tensors.add(old, g)
    elif old is not None:
        array: Any = old._array
        in_place = old._node is None and not state.tracing and array.flags.writeable
        if in_place and arrays.same_layout(array, g):
            # In place, as in PyTorch: `grad` may be part of a buffer of the user's.
            arrays.add_into(array, g)
            state.clock += 1
            mark_at_clock(array, "backward")
        else:
            tensor.grad = tensors.wrap(arrays.add(array, g))
    else:
        # Rules may hand one array to several inputs, or a view: a leaf has an array of its own.
        tensor.grad = tensors.wrap(g if owned else arrays.clone(g))


# ---- the public face -----------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


# Gradients that start a backward; nothing writes into a gradient that the engine does not own.
# By the size of an element: dtypes are slow to hash.
_ONE: dict[int, Any] = {4: np.ones((), np.float32), 8: np.ones((), np.float64)}
for _array in _ONE.values():
    _array.flags.writeable = False


def _seeds(op: str, outputs: list[Any], given: Any, create_graph: bool) -> list[Any]:
    if not outputs:
        raise ValueError(f"{op}: expected at least one output")
    if given is None:
        given = [None] * len(outputs)
    else:
        given = _listed(given)
        if len(given) != len(outputs):
            raise ValueError(f"{op}: got {len(given)} gradients for {len(outputs)} outputs")
    seeds: list[Any] = []
    for i, output in enumerate(outputs):
        seed: Any = given[i]
        if output._node is None:
            raise RuntimeError(
                f"{op}: the output requires no gradient: nothing that it was computed from does, "
                "or it was computed under no_grad()"
            )
        array = output._array
        if seed is None:
            if array.size != 1:
                raise RuntimeError(
                    f"{op}: an output of shape {array.shape} is no scalar: "
                    "reduce it (sum, mean, ...) or pass the gradient to start from"
                )
            seed = _ONE[array.itemsize]
            if array.ndim:
                seed = seed.reshape(array.shape)
        else:
            seed = seed if hasattr(seed, "_array") else tensors.wrap(np.asarray(seed), None)
            if seed._array.shape != array.shape:
                raise ValueError(
                    f"{op}: a gradient of shape {seed._array.shape} for an output of shape "
                    f"{array.shape}"
                )
            if seed._array.dtype != array.dtype:
                seed = seed.to(array.dtype)
            seed = seed if create_graph else seed._array
        if create_graph and isinstance(seed, ARRAYS):
            seed = tensors.wrap(seed, None)
        seeds.append(seed)
    return seeds


def backward(
    outputs: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds d(outputs)/d(leaf), weighted by `grad_tensors`, to the `grad` of every leaf.

    `grad_tensors` may be left out for outputs with one element. With `inputs`, only their `grad`
    changes. The values saved for backward are freed unless `retain_graph` (or `create_graph`,
    which records the backward itself, so that it can be differentiated) is true.
    """
    outputs = _listed(outputs)
    seeds = _seeds("backward", outputs, grad_tensors, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    roots = [output._node for output in outputs]
    if inputs is None:
        run_backward(roots, seeds, create_graph, keep)
        return
    chosen = _listed(inputs)
    _require_nodes("backward", chosen)
    grads = run_backward(roots, seeds, create_graph, keep, [t._node for t in chosen])
    for tensor in dict.fromkeys(chosen):
        g = grads[tensor._node]
        if g is not None and not tensor.retains_grad:
            _add_to_grad(tensor, g, True, create_graph)


def _require_nodes(op: str, inputs: list[Any]) -> None:
    for i, tensor in enumerate(inputs):
        if tensor._node is None:
            raise RuntimeError(f"{op}: input {i} does not require a gradient")


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the outputs, weighted by `grad_outputs`, with respect to the inputs.

    No tensor's `grad` changes. An input that the outputs do not depend on is an error, unless
    `allow_unused` (then it gets None) or `materialize_grads` (then it gets zeros).

    >>> import pyautograd as ag
    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> (dx,) = ag.autograd.grad(x**3, x, create_graph=True)
    >>> (ddx,) = ag.autograd.grad(dx, x)
    >>> dx.item(), ddx.item()
    (27.0, 18.0)
    """
    outputs, inputs = _listed(outputs), _listed(inputs)
    _require_nodes("grad", inputs)
    seeds = _seeds("grad", outputs, grad_outputs, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    grads = run_backward(
        [output._node for output in outputs], seeds, create_graph, keep, [t._node for t in inputs]
    )
    results = []
    for i, tensor in enumerate(inputs):
        g = grads[tensor._node]
        if g is None and materialize_grads:
            g = np.zeros(tensor._array.shape, tensor._array.dtype)
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i}; "
                "pass allow_unused=True to get None for it"
            )
        results.append(tensors.wrap(g, None) if isinstance(g, ARRAYS) else g)
    return tuple(results)
