"""The graph that ops record: nodes, what hangs on them, and what they keep for backward.

A `Node` is one recorded call. Its `edges` are the nodes of its inputs (None where an input needs
no gradient); a leaf that requires a gradient has a node of its own, with no edges.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from pyautograd.hooks import Hooks, RemovableHandle
from pyautograd.modes import lock, state

__all__ = ["Node", "saved_tensors_hooks"]

# The spaces in which gradient rules run: kernels on plain arrays, and ops on Tensors. op.py fills
# both.
arrays = SimpleNamespace()
tensors = SimpleNamespace()

# What an op saves for backward, beside an input by its position (0, 1, ...).
OUT = -1  # the output; -2, -3, ... are the second, third, ... output
SHAPE = 1000  # SHAPE + i: the shape of input i


class Symbol:
    """What takes the place of an array while its elements are not known: see static/graph.py."""

    __slots__ = ("dtype", "shape")
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


ARRAYS = (np.ndarray, Symbol)


class SymbolicNumber:
    """A number that is not known while a graph is built: see static/sizes.py."""

    __slots__ = ()
    sizes: Any  # what answers questions about it


class GraphError(RuntimeError):
    """A program that a static graph cannot hold."""


class Node:
    """One recorded call: what backward needs to know of it. `tensor.grad_fn` is one."""

    __slots__ = (
        "__weakref__",
        "attrs",  # arguments of the call that are no arrays, handed to the rule
        "clock",  # state.clock when the call was recorded
        "edges",
        "grad",  # during backward: the gradient so far
        "hooks",
        "kept",  # what the op saved: a tuple in the order of op.saves, Packed, or FREED
        "layouts",  # per input (shape, dtype), where the op may have broadcast or cast it
        "module",  # the module whose call it made the output of, or (the same of one in it, module)
        "op",
        "owned",  # during backward: grad is a buffer of the engine, to be added into
        "pending",  # during backward: consumers not yet visited
        "where",  # the line of the program that made the call; set in anomaly mode only
    )

    # Made by `record`: a Node has no __init__, which would cost 90 ns a node.
    op: Any
    edges: tuple[Node | None, ...]
    kept: Any
    attrs: tuple[Any, ...]
    layouts: Any
    hooks: Hooks | None
    clock: int
    pending: int
    grad: Any
    owned: bool
    module: Any
    where: str

    def name(self) -> str:
        """The op's name as people know it: `MulBackward`."""
        if not self.edges:
            return "AccumulateGrad"
        return "".join(part[:1].upper() + part[1:] for part in self.op.name.split("_")) + "Backward"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes of the inputs, each with the number of its output (always 0)."""
        return tuple((edge, 0) for edge in self.edges)

    @property
    def saved(self) -> dict[str, Any]:
        """What the op keeps for backward, by name: `input`, `other` or `input2`, ..., `result`.

        Arrays come as Tensors off the tape. RuntimeError where backward has freed them.

        >>> import pyautograd as ag
        >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> x.exp().grad_fn.saved
        {'result': tensor([2.7183, 7.3891])}
        """
        if not self.edges or self.kept is None:
            return {}
        return {
            _saved_name(where): tensors.wrap(x) if isinstance(x, ARRAYS) else x
            for where, x in zip(self.op.saves, kept_values(self), strict=True)
            if x is not None
        }

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(grad_inputs, grad_outputs)` after each run of the node in backward.

        Both are tuples of Tensors or None; a tuple that the hook returns replaces `grad_inputs`.
        """
        return self._hooks().add("post", hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(grad_outputs)` before each; a tuple that it returns replaces them."""
        return self._hooks().add("pre", hook)

    def _hooks(self) -> Hooks:
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def record(op: Any, edges: tuple[Node | None, ...], kept: Any) -> Node:
    """A node for a call of `op`."""
    node = Node()
    node.op = op
    node.edges = edges
    node.kept = kept
    node.attrs = ()
    node.layouts = None
    node.hooks = None
    node.grad = None
    node.pending = 0
    node.clock = state.clock
    if state.watching:
        for watcher in reversed(_watchers()):
            watcher.saw(node)
    return node


def _saved_name(where: int) -> str:
    if where >= SHAPE:
        return f"{_saved_name(where - SHAPE)}_shape"
    if where < 0:
        return "result" if where == OUT else f"result{OUT - where + 1}"
    return ("input", "other")[where] if where < 2 else f"input{where + 1}"


# ---- watching what is recorded -------------------------------------------------------------------

_thread = threading.local()


class RecordWatcher:
    """A context manager: its `saw(node)` is called for each node that this thread records in it."""

    def saw(self, node: Node) -> None:
        raise NotImplementedError

    def __enter__(self) -> None:
        _watchers().append(self)
        with lock:
            state.watching += 1

    def __exit__(self, *exc: object) -> None:
        _watchers().remove(self)
        with lock:
            state.watching -= 1


def _watchers() -> list[RecordWatcher]:
    try:
        return _thread.watchers
    except AttributeError:
        _thread.watchers = []
        return _thread.watchers


# ---- what nodes keep -----------------------------------------------------------------------------


class _Freed:
    def __repr__(self) -> str:
        return "<freed>"


FREED = _Freed()


class Packed:
    """What a pair of `saved_tensors_hooks` has made of a node's arrays."""

    __slots__ = ("layouts", "unpack", "values")

    def __init__(self, kept: Sequence[Any], pack: Any, unpack: Any) -> None:
        self.unpack = unpack
        self.layouts = [(x.shape, x.dtype) if isinstance(x, ARRAYS) else None for x in kept]
        self.values = [pack(tensors.wrap(x)) if isinstance(x, ARRAYS) else x for x in kept]

    def restored(self) -> tuple[Any, ...]:
        return tuple(
            [
                x if layout is None else self._restored(x, *layout)
                for x, layout in zip(self.values, self.layouts, strict=True)
            ]
        )

    def _restored(self, packed: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        array = getattr(self.unpack(packed), "_array", None)
        if array is None or array.shape != shape or array.dtype != dtype:
            got = "no tensor" if array is None else f"shape {array.shape} and {array.dtype}"
            raise RuntimeError(
                f"saved_tensors_hooks: unpack was to give back a tensor of shape {shape} and "
                f"{dtype}, got {got}"
            )
        return array


def kept_values(node: Node) -> tuple[Any, ...]:
    """What the node saved, unpacked; RuntimeError where it is freed."""
    if node.kept is FREED:
        raise RuntimeError(
            f"backward: the values that {node.op.name} saved are freed already; "
            "pass retain_graph=True to the first backward to go through a graph twice"
        )
    return node.kept.restored() if isinstance(node.kept, Packed) else node.kept


class saved_tensors_hooks(RecordWatcher):
    """A context manager: what ops recorded in it save for backward goes through two functions.

    `pack(tensor)` is called when an op saves a tensor; what it returns is kept instead. When
    backward needs the tensor, `unpack` gets that and gives back a tensor of the same shape and
    dtype. Neither may change its argument in place. Of nested pairs the innermost applies.

    >>> import pyautograd as ag
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> def pack(t):
    ...     print("kept", t.shape)
    ...     return t.numpy().astype("float16")
    >>> with ag.autograd.graph.saved_tensors_hooks(pack, lambda a: ag.tensor(a.astype("float32"))):
    ...     y = x.exp().sum()
    kept (2,)
    >>> y.backward()
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self._pair = pack_hook, unpack_hook

    def saw(self, node: Node) -> None:
        if type(node.kept) is tuple and node.op.holds_arrays:
            node.kept = Packed(node.kept, *self._pair)
