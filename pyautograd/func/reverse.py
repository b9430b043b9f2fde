"""Reverse mode: recordings of functions, and vjp.

The function runs on the ordinary tape, on inputs of its own: leaves, or aliases of tensors that
the tape already follows, so that transforms nest. Under vmap and jvp the tape holds what stands
behind the tensors there: the whole batch, and the primal and the tangent. `_pull` carries
cotangents back level by level:

    vmap: examples are independent, so the gradients of a batch are a batch of gradients.
    jvp: of y with tangent y', the cotangents u with u' give x̄ = Jᵀu with the tangent
         x̄' = Jᵀu' + d(u · y')/dx.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from pyautograd import tape
from pyautograd.func.batched import Batched
from pyautograd.func.behind import (
    all_behind,
    as_batch,
    as_examples,
    behind,
    joined,
    off_tape,
    parts,
)
from pyautograd.func.dual import Dual, zeros_like
from pyautograd.func.levels import Level, active
from pyautograd.func.pytree import leaves, rebuild, structure, tree_map
from pyautograd.modes import GradMode, is_grad_enabled
from pyautograd.op import Stand
from pyautograd.tape import Node
from pyautograd.tensor import Tensor, wrap

K = tape.tensors

# ---- inputs of its own ---------------------------------------------------------------------------


def _own(x: Any, levels: list[Level]) -> Any:
    """x as an input of a function to be differentiated: batched at every level of vmap."""
    if not levels:
        if x.requires_grad and is_grad_enabled():
            return K.reshape(x, x.shape)
        return x.detach().requires_grad_()
    level, lower = levels[-1], levels[:-1]
    if level.transform == "vmap":
        return Batched(_own(as_batch(x, level), lower), level)
    primal, tangent = parts(x, level)
    own = _own(primal, lower)
    return own if tangent is None else Dual(own, tangent, level)


# The leaves that transforms have made, and those of them whose function is still running.
_made: weakref.WeakSet[Node] = weakref.WeakSet()
_running: weakref.WeakSet[Node] = weakref.WeakSet()


def _is_followed(node: Node | None) -> bool:
    """Whether the tape leads from the node to a leaf that others may differentiate by."""
    if node is None:
        return False
    seen, stack = {node}, [node]
    while stack:
        node = stack.pop()
        if not node.edges and (node not in _made or node in _running):
            return True
        for edge in node.edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return False


class Recording:
    """A run of a function on inputs of its own."""

    def __init__(self, op: str, inputs: list[Any]) -> None:
        for x in inputs:
            if not isinstance(x, Tensor):
                raise ValueError(f"{op}: expected tensors as inputs, got {type(x).__name__}")
        self.levels = list(active())
        self.inputs = [_own(x, self.levels) for x in inputs]
        self.leaves = [behind(x) for x in self.inputs]
        self.surrounded = is_grad_enabled()  # by what is recorded

    def run(self, func: Callable[..., Any], args: Any) -> Any:
        """func of the inputs, in the structure of `args`."""
        own = {x._node for x in self.leaves if x.is_leaf and x._node is not None}
        _made.update(own)
        _running.update(own)
        try:
            with GradMode(True):
                return func(*rebuild(args, iter(self.inputs)))
        finally:
            _running.difference_update(own)

    def is_followed(self, x: Any) -> bool:
        """Whether others may differentiate x."""
        return self.surrounded and any(_is_followed(t._node) for t in all_behind(x))

    def released(self, tree: Any) -> Any:
        """A result as the caller gets it: off the tape, unless others may differentiate it."""

        def release(x: Any) -> Any:
            return x if not isinstance(x, Tensor) or self.is_followed(x) else off_tape(x)

        return tree_map(release, tree)

    def pull(
        self, outputs: list[Any], cotangents: list[Any], keep: bool, materialize: bool = True
    ) -> list[Any]:
        """The gradients of the inputs; zeros (or None) where nothing leads to them."""
        create = is_grad_enabled() and (
            any(self.is_followed(y) for y in outputs)
            or any(t.requires_grad for u in cotangents for t in all_behind(u))
        )
        found = self._pull(outputs, cotangents, self.levels, keep or create, create)
        return [
            (zeros_like(x) if materialize else None) if g is None else g if create else off_tape(g)
            for x, g in zip(self.inputs, found, strict=True)
        ]

    def _pull(
        self, outputs: list[Any], cotangents: list[Any], levels: list[Level], keep: bool,
        create: bool,
    ) -> list[Any]:  # fmt: skip
        if not levels:
            return backward_on_tape(outputs, self.leaves, cotangents, keep, create)
        level, lower = levels[-1], levels[:-1]
        if level.transform == "vmap":
            ys, us = ([as_batch(x, level) for x in xs] for xs in (outputs, cotangents))
            found = self._pull(ys, us, lower, keep, create)
            return [None if g is None else as_examples(g, level) for g in found]
        pairs = [
            (parts(y, level), parts(u, level)) for y, u in zip(outputs, cotangents, strict=True)
        ]
        found = self._pull(
            [y for (y, _), _ in pairs], [u for _, (u, _) in pairs], lower, True, create
        )
        moving = [(y, du) for (y, _), (_, du) in pairs if du is not None]
        moving += [(dy, u) for (_, dy), (u, _) in pairs if dy is not None]
        if not moving:
            return found
        tangents = self._pull([y for y, _ in moving], [u for _, u in moving], lower, True, create)
        return [joined(g, t, level) for g, t in zip(found, tangents, strict=True)]


def backward_on_tape(
    outputs: list[Any], inputs: list[Any], cotangents: list[Any], keep: bool, create: bool
) -> list[Any]:
    """On the tape. Cotangents that stand for others need the rules on tensors."""
    pairs = [(y, u) for y, u in zip(outputs, cotangents, strict=True) if y._node is not None]
    if not pairs:
        return [None] * len(inputs)
    seeds = [u if u.dtype == y.dtype else u.to(y.dtype) for y, u in pairs]
    record = create or any(isinstance(u, Stand) for u in seeds)
    nodes = [x._node for x in inputs]
    found = tape.run_backward(
        [y._node for y, _ in pairs],
        seeds if record else [u._array for u in seeds],
        record,
        keep or record,
        nodes,
    )
    grads = [found[node] for node in nodes]
    return grads if record else [None if g is None else wrap(g) for g in grads]


# ---- vjp -----------------------------------------------------------------------------------------


def run_on_own(op: str, func: Callable[..., Any], inputs: Any, has_aux: bool) -> Any:
    """(recording, outputs, aux or None) of func(*inputs), the inputs a tuple of trees."""
    recording = Recording(op, leaves(inputs))
    result, aux = recording.run(func, inputs), None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise RuntimeError(
                f"{op}: with has_aux, the function returns (output, aux), got {kind_of(result)}"
            )
        result, aux = result
    return recording, result, aux


def kind_of(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return type(value).__name__


def require_tensors(op: str, tree: Any) -> list[Any]:
    found = leaves(tree)
    for y in found:
        if not isinstance(y, Tensor):
            raise RuntimeError(
                f"{op}: expected the function to return tensors, got {type(y).__name__}"
            )
    return found


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(func(*primals), pull), where pull(u) = uᵀJ: the gradients of sum(u * output).

    `pull` takes cotangents in the structure and shapes of the output, as often as one likes, and
    returns a tuple with a gradient for each of the primals, in its structure (one primal: the
    tuple of one). With `has_aux`, func returns (output, aux), and the result is
    (output, pull, aux).

    Raises RuntimeError where func returns no tensors or the cotangents do not fit the output.

    >>> import pyautograd as ag
    >>> y, pull = ag.func.vjp(lambda a, b: a * b, ag.tensor([1.0, 2.0]), ag.tensor([3.0, 4.0]))
    >>> pull(ag.ones(2))
    (tensor([3., 4.]), tensor([1., 2.]))
    """
    recording, result, aux = run_on_own("vjp", func, primals, has_aux)
    outputs = require_tensors("vjp", result)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        us = leaves(cotangents)
        if structure(cotangents) != structure(result):
            raise RuntimeError(
                f"vjp: expected cotangents in the structure of the output, {structure(result)}, "
                f"got {structure(cotangents)}"
            )
        for y, u in zip(outputs, us, strict=True):
            if not isinstance(u, Tensor) or u.shape != y.shape:
                raise RuntimeError(
                    f"vjp: expected a cotangent of shape {y.shape}, got "
                    f"{u.shape if isinstance(u, Tensor) else type(u).__name__}"
                )
        return rebuild(primals, iter(recording.pull(outputs, us, retain_graph)))

    output = recording.released(result)
    return (output, pull, recording.released(aux)) if has_aux else (output, pull)
