"""Functions hung on the nodes of a graph (and on modules), and the handles that take them off."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from pyautograd.modes import GradMode, state

_ids = itertools.count()


class RemovableHandle:
    """What registering a hook returns: `remove()`, or the end of a `with`, takes the hook off."""

    __slots__ = ("_hooks", "id")

    def __init__(
        self, hooks: dict[int, Any], hook: Callable[..., Any], first: bool = False
    ) -> None:
        if not callable(hook):
            raise TypeError(f"hook: expected a function, got {type(hook).__name__}")
        self._hooks = hooks
        self.id = next(_ids)
        later = dict(hooks) if first else {}
        if first:
            hooks.clear()
        hooks[self.id] = hook
        hooks.update(later)
        state.layouts += 1

    def remove(self) -> None:
        """Takes the hook off; nothing happens where it is off already."""
        self._hooks.pop(self.id, None)
        state.layouts += 1

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Hooks:
    """The hooks of one node, in the order in which backward runs them.

    tensor: `hook(grad)` of the tensor that the node computes; may return another gradient.
    retain: those of `Tensor.retain_grad`, which see what those before made of the gradient.
    pre: `hook(grad_outputs)` of the node; may return another tuple.
    post: `hook(grad_inputs, grad_outputs)` after the node's rule; may return other grad_inputs.
    accumulated: `hook(tensor)` of a leaf, after its `grad` has changed.
    """

    __slots__ = ("accumulated", "post", "pre", "retain", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, Any] = {}
        self.pre: dict[int, Any] = {}
        self.retain: dict[int, Any] = {}
        self.post: dict[int, Any] = {}
        self.accumulated: dict[int, Any] = {}

    def add(self, kind: str, hook: Callable[..., Any]) -> RemovableHandle:
        return RemovableHandle(getattr(self, kind), hook)

    # In all of these, `wrap` makes Tensors of arrays, or is None where gradients are Tensors that
    # the hooks' ops are recorded on. Of a node with several outputs, `g` is a list.

    def on_tensor(self, g: Any, wrap: Any) -> Any:
        """The gradient of the tensor that the node computes."""
        with GradMode(wrap is None):
            for hook in tuple(self.tensor.values()):
                g = _replaced("hook", hook(_shown(g, wrap)), g, wrap)
            for hook in tuple(self.retain.values()):
                hook(_shown(g, wrap))
        return g

    def before(self, g: Any, wrap: Any) -> Any:
        """The gradient that the node's rule gets."""
        if not self.pre:
            return g
        several = type(g) is list
        with GradMode(wrap is None):
            for hook in tuple(self.pre.values()):
                parts = g if several else [g]
                result = hook(tuple([_shown(x, wrap) for x in parts]))
                if result is not None:
                    parts = _replaced_all("prehook", result, parts, wrap)
                    g = parts if several else parts[0]
        return g

    def after(self, grads: Any, g: Any, wrap: Any) -> Any:
        """The gradients of the node's inputs, after its rule has made `grads` of `g`."""
        if not self.post:
            return grads
        with GradMode(wrap is None):
            outputs = tuple([_shown(x, wrap) for x in (g if type(g) is list else [g])])
            for hook in tuple(self.post.values()):
                result = hook(tuple([_shown(x, wrap) for x in grads]), outputs)
                if result is not None:
                    grads = _replaced_all("hook", result, grads, wrap)
        return grads


def _shown(g: Any, wrap: Any) -> Any:
    return g if g is None or wrap is None else wrap(g)


def _replaced(what: str, result: Any, old: Any, wrap: Any) -> Any:
    """What a hook returned in place of `old`, checked; `old` for None."""
    if result is None:
        return old
    array = getattr(result, "_array", None)
    if array is None:
        raise TypeError(f"{what}: expected a Tensor or None back, got {type(result).__name__}")
    if old is not None and array.shape != old.shape:
        raise ValueError(
            f"{what}: a gradient of shape {old.shape} was replaced by one of shape {array.shape}"
        )
    return result if wrap is None else array


def _replaced_all(what: str, results: Any, old: Any, wrap: Any) -> list[Any]:
    results = results if isinstance(results, (tuple, list)) else (results,)
    if len(results) != len(old):
        raise ValueError(f"{what}: expected {len(old)} gradients back, got {len(results)}")
    return [
        None if new is None else _replaced(what, new, x, wrap)
        for new, x in zip(results, old, strict=True)
    ]
