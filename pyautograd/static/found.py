"""What a trace has found: modules, tensors, gradients, optimisers, and whether it is still so."""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_
from typing import Any

from pyautograd.modes import state, version
from pyautograd.nn.module import Module
from pyautograd.static.outside import Outside, same_value
from pyautograd.tensor import Tensor


class Found:
    """The state that a program was traced in, as far as it can change what would be traced.

    Most changes move `state.layouts`, so that `still` need not look at much at each call.

    modules: each with its attributes when the trace began.
    """

    def __init__(
        self, outside: Outside, modules: list[tuple[Module, dict[str, Any]]], since: int
    ) -> None:
        self._outside = outside
        self._modules = modules
        self._layouts = since  # nothing has changed since state.layouts stood there
        self._tensors: list[tuple[Tensor, Any, bool, list[Any]]] = []
        self._grads: list[tuple[Any, Tensor | None]] = []  # references to tensors
        self._groups: list[tuple[Any, list[list[Tensor]]]] = []
        self._assigned: set[tuple[int, str]] = set()
        self._read: list[tuple[Any, int]] = []

    def watch(
        self,
        leaves: list[Any],
        optimizers: list[Any],
        assigned: list[Any],
        read: list[tuple[Any, int]],
    ) -> None:
        """After the trace: takes in what it was about.

        assigned: attributes that each run sets, of which only the layouts count.
        read: arrays whose elements Python has read, and the version of each.
        """
        self._read = read
        self._assigned = {(id(module), name) for module, name, _ in assigned}
        tensors = {id(t): t for t in self._outside.tensors}
        for module, _ in self._modules:
            tensors.update((id(t), t) for t in own_tensors(module))
        changed = {}
        for leaf in leaves:
            t = leaf.tensor()
            if t is not None:
                changed[id(t)] = tensors[id(t)] = t
        self._tensors = [(t, t._array, t.requires_grad, hooks_of(t)) for t in tensors.values()]
        # Gradients that the program reads must be those that it read when it was traced.
        self._grads = [(leaf.tensor, leaf.before) for leaf in leaves if not leaf.cleared]
        for optimizer in optimizers:
            groups = [list(group["params"]) for group in optimizer.param_groups]
            self._groups.append((optimizer, groups))
            untouched = [p for group in groups for p in group if id(p) not in changed]
            self._grads += [((lambda p=p: p), p.grad) for p in untouched]

    def still(self) -> bool:
        """Whether all is as it was: asked at each call, so short."""
        for tensor, before in self._grads:
            t = tensor()
            if t is not None and t.grad is not before:
                return False
        for array, seen in self._read:
            if version(array) != seen:
                return False
        try:
            for cell, value in self._outside.cells:
                if cell.cell_contents is not value:
                    break
            else:
                for where, key, value in self._outside.named:
                    if where.get(key) is not value:
                        break
                else:
                    return self._layouts == state.layouts or self._has_not_moved()
        except ValueError:  # an emptied cell
            pass
        return not any(True for _ in self._all_changed())

    def _has_not_moved(self) -> bool:
        now = state.layouts
        if any(True for _ in self._changed()):
            return False
        self._layouts = now
        return True

    def reason(self) -> str:
        """What has changed, for people; empty where nothing has but gradients."""
        return next((f"{what} has changed" for what in self._all_changed()), "")

    def _all_changed(self) -> Iterator[str]:
        yield from self._outside.changed()
        yield from self._changed()

    def _changed(self) -> Iterator[str]:
        for module, before in self._modules:
            now = vars(module)
            same = now.keys() == before.keys() and all(map(is_, now.values(), before.values()))
            if same and module._hooks is None:  # the ordinary case, in little time
                continue
            now = attributes_of(module)
            if now.keys() != before.keys():
                yield f"what a {type(module).__name__} has"
            for name in now.keys() & before.keys():
                pair = now[name], before[name]
                if (id(module), name) in self._assigned:
                    same = _layout(pair[0]) == _layout(pair[1])
                else:
                    same = same_value(*pair)
                if not same:
                    yield f"{type(module).__name__}.{name}"
        for t, array, requires_grad, hooks in self._tensors:
            what = f"a tensor of shape {t.shape}"
            if t._array is not array or t.requires_grad is not requires_grad:
                yield what
            if hooks != hooks_of(t):
                yield f"a hook of {what}"
        for optimizer, groups in self._groups:
            now_groups = [group["params"] for group in optimizer.param_groups]
            if [list(map(id, g)) for g in now_groups] != [list(map(id, g)) for g in groups]:
                yield f"a group of {type(optimizer).__name__}"


def _layout(x: Any) -> Any:
    return (x.shape, x.dtype) if isinstance(x, Tensor) else None


def own_tensors(module: Module) -> list[Tensor]:
    """The parameters and buffers of a module, without those of its submodules."""
    found = (*module._parameters.values(), *module._buffers.values())
    return [t for t in found if t is not None]


def attributes_of(module: Module) -> dict[str, Any]:
    """All that a module has: attributes, and hooks."""
    found = dict(vars(module))
    if module._hooks is not None:
        found["_hooks"] = tuple([f for kind in vars(module._hooks).values() for f in kind.values()])
    return found


def hooks_of(tensor: Tensor) -> list[Any]:
    """The functions that are called with a tensor's gradient."""
    node = tensor._node
    if node is None or node.hooks is None:
        return []
    return [f for kind in node.hooks.__slots__ for f in getattr(node.hooks, kind).values()]
