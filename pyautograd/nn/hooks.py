"""Hooks of modules, around forward and in backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pyautograd.autograd.function import Function
from pyautograd.hooks import RemovableHandle
from pyautograd.modes import is_grad_enabled
from pyautograd.tensor import Tensor

if TYPE_CHECKING:
    from pyautograd.nn.module import Module


class _Hook(NamedTuple):
    function: Callable[..., Any]
    with_kwargs: bool = False
    always: bool = False

    def __call__(self, module: Module, args: Any, kwargs: Any, *output: Any) -> Any:
        given = (args, kwargs) if self.with_kwargs else (args,)
        return self.function(module, *given, *output)


class ModuleHooks:
    """The hooks of one module, and the call that runs them around its forward."""

    def __init__(self) -> None:
        self.forward_pre: dict[int, _Hook] = {}
        self.forward: dict[int, _Hook] = {}
        self.backward_pre: dict[int, Callable[..., Any]] = {}
        self.backward: dict[int, Callable[..., Any]] = {}

    def add(self, kind: str, hook: Any, prepend: bool, **options: bool) -> RemovableHandle:
        hooks = getattr(self, kind)
        if not callable(hook):
            raise TypeError(f"hook: expected a function, got {type(hook).__name__}")
        later = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        if "forward" in kind:
            hook = _Hook(hook, **options)
        handle = RemovableHandle(hooks, hook)
        hooks.update(later)
        return handle

    def call(self, module: Module, args: Any, kwargs: Any) -> Any:
        """`module.forward(*args, **kwargs)`, with the hooks."""
        done: list[_Hook] = []
        try:
            for pre in tuple(self.forward_pre.values()):
                result = pre(module, args, kwargs)
                if result is None:
                    continue
                if pre.with_kwargs:
                    if not (isinstance(result, tuple) and len(result) == 2):
                        raise RuntimeError(
                            "forward pre-hook: expected None or a pair of arguments and keyword "
                            f"arguments back, got {type(result).__name__}"
                        )
                    args, kwargs = result
                else:
                    args = result if isinstance(result, tuple) else (result,)
            backward = _Backward(self, module) if self._in_backward() else None
            if backward is not None:
                args = backward.on_inputs(args)
            output = module.forward(*args, **kwargs)
            for hook in tuple(self.forward.values()):
                done.append(hook)
                result = hook(module, args, kwargs, output)
                if result is not None:
                    output = result
            return output if backward is None else backward.on_outputs(output)
        except BaseException:
            for hook in self.forward.values():
                if hook.always and not any(hook is other for other in done):
                    hook(module, args, kwargs, None)
            raise

    def _in_backward(self) -> bool:
        return bool(self.backward or self.backward_pre) and is_grad_enabled()


class _Boundary(Function):
    """Hands all its arguments on: its node is where the gradients of all of them are together."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads


def _crossed(value: Any) -> tuple[Any, Any, _Places]:
    """The value with its tensors behind a boundary, the boundary's node (None without any), and
    where the tensors are.
    """
    parts = list(value.values()) if isinstance(value, dict) else value
    parts = list(parts) if isinstance(parts, (tuple, list)) else [parts]
    places = [i for i, x in enumerate(parts) if isinstance(x, Tensor) and x.requires_grad]
    where = _Places(len(parts), places)
    if not places:
        return value, None, where
    behind = _Boundary.apply(*[parts[i] for i in places])
    for i, x in zip(places, behind, strict=True):
        parts[i] = x
    node = behind[0].grad_fn if len(behind) == 1 else behind[0].grad_fn.edges[0]
    if isinstance(value, dict):
        value = type(value)(zip(value, parts, strict=True))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        value = type(value)(*parts)
    else:
        value = type(value)(parts) if isinstance(value, (tuple, list)) else parts[0]
    return value, node, where


class _Places(NamedTuple):
    """Which of a number of arguments, or of results, have gradients."""

    total: int
    places: list[int]

    def shown(self, grads: Any) -> tuple[Any, ...]:
        """One gradient for each; None for those without."""
        found = dict(zip(self.places, grads, strict=True))
        return tuple([found.get(i) for i in range(self.total)])

    def taken(self, what: str, result: Any) -> tuple[Any, ...]:
        """The gradients, of what a hook returned."""
        result = result if isinstance(result, tuple) else (result,)
        if len(result) != self.total:
            raise RuntimeError(f"{what}: expected {self.total} gradients back, got {len(result)}")
        return tuple([result[i] for i in self.places])


class _Backward:
    """One call's gradients: those of the outputs, and then those of the inputs.

    The graph holds this, so this holds nothing of the graph.
    """

    def __init__(self, hooks: ModuleHooks, module: Module) -> None:
        self.hooks = hooks
        self.module = module
        self.grad_outputs: Any = None

    def on_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        args, node, self.inputs = _crossed(args)
        if node is not None:
            node.register_prehook(self._inputs)
        return args

    def on_outputs(self, output: Any) -> Any:
        output, node, self.outputs = _crossed(output)
        if node is not None:
            node.register_prehook(self._outputs)
        return output

    def _outputs(self, grads: Any) -> Any:
        for hook in tuple(self.hooks.backward_pre.values()):
            result = hook(self.module, self.outputs.shown(grads))
            if result is not None:
                grads = self.outputs.taken("full backward pre-hook", result)
        self.grad_outputs = self.outputs.shown(grads)
        if not self.inputs.places:
            self._inputs(())
        return grads

    def _inputs(self, grads: Any) -> Any:
        if self.grad_outputs is None:  # a second backward, which came another way
            return None
        for hook in tuple(self.hooks.backward.values()):
            result = hook(self.module, self.inputs.shown(grads), self.grad_outputs)
            if result is not None:
                grads = self.inputs.taken("full backward hook", result)
        self.grad_outputs = None
        return grads
