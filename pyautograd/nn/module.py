"""Parameter, and Module: a tree of parameters, buffers and submodules with a forward function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from pyautograd import _C
from pyautograd.device import to_arguments
from pyautograd.dtypes import as_dtype, float32, float64
from pyautograd.modes import mark_modified, state, tracer
from pyautograd.op import graph_of
from pyautograd.tensor import Tensor, as_tensor, wrap

if TYPE_CHECKING:
    from pyautograd.hooks import RemovableHandle
    from pyautograd.nn.hooks import ModuleHooks
    from pyautograd.nn.summarize import Summary

M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A tensor that a Module registers when it becomes an attribute. Shares the memory of `data`.

    >>> import pyautograd as ag
    >>> ag.nn.Parameter(ag.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        self._array = np.zeros(0, float32) if data is None else as_tensor(data)._array
        if isinstance(data, Tensor):
            _C.reclaim(self, 2)
        self._node = None
        self.grad = None
        if requires_grad:
            self.requires_grad_()


class Buffer(Tensor):
    """A tensor that a Module registers as a buffer when it becomes an attribute.

    Shares the memory of `data`. Saved with the others if `persistent`.

    >>> import pyautograd as ag
    >>> layer = ag.nn.Module()
    >>> layer.mean = ag.nn.Buffer(ag.zeros(2))
    >>> layer.state_dict()
    {'mean': tensor([0., 0.])}
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        self._array = np.zeros(0, float32) if data is None else as_tensor(data)._array
        if isinstance(data, Tensor):
            _C.reclaim(self, 2)
        self._node = None
        self.grad = None
        self.persistent = persistent


class LoadResult(NamedTuple):
    """The keys that `load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadResult({self.missing_keys=}, {self.unexpected_keys=})".replace("self.", "")


def _mark(output: Any, mark: Any) -> None:
    """Notes on the nodes of a call's outputs which module made them."""
    if isinstance(output, (tuple, list)):
        for x in output:
            _mark(x, mark)
    elif isinstance(output, Tensor) and (node := getattr(output, "_node", None)) is not None:
        node.module = mark


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


class Module:
    """The base of layers and models: derive from it, call `super().__init__()`, write `forward`.

    A Parameter, a Module or (by `register_buffer`) a tensor that becomes an attribute is found
    again by `parameters()`, `modules()`, `buffers()` and `state_dict()`.

    >>> import pyautograd as ag
    >>> class Line(ag.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope = ag.nn.Parameter(ag.ones(1))
    ...
    ...     def forward(self, x):
    ...         return self.slope * x
    >>> Line()(ag.tensor([2.0]))
    tensor([2.], grad_fn=<MulBackward>)
    >>> Line().state_dict()
    {'slope': tensor([1.])}
    """

    # Values live in the instance's __dict__, so that reading self.weight costs nothing extra, and
    # in one of these, which know their kind and order. `_register` writes both.
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent: set[str]
    _hooks: ModuleHooks | None = None
    training: bool

    def __init__(self) -> None:
        for name, value in (
            ("_parameters", {}),
            ("_buffers", {}),
            ("_modules", {}),
            ("_non_persistent", set()),
            ("training", True),
        ):
            object.__setattr__(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What a call of the module computes; to be defined by each module."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.tracing and (trace := tracer()) is not None:
            trace.entered(self)
        elif state.building and (graph := graph_of((args, kwargs))) is not None:
            return graph.run(self, *args, **kwargs)
        if self._hooks is None:
            output = self.forward(*args, **kwargs)
        else:
            output = self._hooks.call(self, args, kwargs)
        try:  # to leave a mark, for pictures of the graph
            node = output._node
            if node is not None and output is not args[0]:
                node.module = (getattr(node, "module", None), self) if self._modules else self
        except (AttributeError, IndexError):
            _mark(output, (None, self))
        return output

    # ---- hooks -----------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before forward; other arguments that it returns replace these.

        `with_kwargs`: `hook(module, args, kwargs)`, which returns None or a pair of both. `prepend`
        puts the hook before the others.
        """
        return self._hooked().add("forward_pre", hook, prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after forward; what it returns replaces the output.

        `with_kwargs`: `hook(module, args, kwargs, output)`. `always_call`: also, with None as the
        output, where forward raised.

        >>> import pyautograd as ag
        >>> layer = ag.nn.Linear(3, 2)
        >>> with layer.register_forward_hook(lambda module, args, out: print(out.shape)):
        ...     _ = layer(ag.ones(4, 3))
        (4, 2)
        """
        return self._hooked().add(
            "forward", hook, prepend, with_kwargs=with_kwargs, always=always_call
        )

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, grad_output)` when backward reaches the module's outputs.

        `grad_output` is a tuple; another one that the hook returns replaces it.
        """
        return self._hooked().add("backward_pre", hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when backward has both.

        Both are tuples, with one gradient for each positional argument and each output, None for
        those without; another `grad_input` that the hook returns replaces it.
        """
        return self._hooked().add("backward", hook, prepend)

    def _hooked(self) -> ModuleHooks:
        if self._hooks is None:
            from pyautograd.nn.hooks import ModuleHooks

            object.__setattr__(self, "_hooks", ModuleHooks())
        assert self._hooks is not None
        return self._hooks

    # ---- registration ----------------------------------------------------------------------------

    def _registry(self, value: Any, name: str) -> dict[str, Any] | None:
        """Where an attribute belongs: by the value's kind, or where the name is registered."""
        kinds = self.__dict__
        if "_modules" not in kinds:
            if isinstance(value, (Parameter, Module, Buffer)):
                raise AttributeError(
                    f"{type(self).__name__}: call super().__init__() before assigning {name!r}"
                )
            return None
        if isinstance(value, Parameter):
            return self._parameters
        if isinstance(value, Module):
            return self._modules
        if isinstance(value, Buffer) and name not in self._parameters and name not in self._modules:
            return self._buffers
        for registry, expected in (
            (self._parameters, "a Parameter"),
            (self._modules, "a Module"),
            (self._buffers, "a Tensor"),
        ):
            if name in registry:
                if value is None or (registry is self._buffers and isinstance(value, Tensor)):
                    return registry
                raise TypeError(
                    f"{type(self).__name__}.{name}: expected {expected} or None, got "
                    f"{type(value).__name__}"
                )
        return None

    if TYPE_CHECKING:  # registered attributes

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: Any) -> None:
        state.layouts += 1
        registry = self._registry(value, name)
        if registry is None:
            object.__setattr__(self, name, value)
        else:
            self._register(registry, name, value)

    def _register(self, registry: dict[str, Any], name: str, value: Any) -> None:
        for other in (self._parameters, self._buffers, self._modules):
            if other is not registry:
                other.pop(name, None)
        if registry is not self._buffers:
            self._non_persistent.discard(name)
        elif isinstance(value, Buffer):
            (self._non_persistent.discard if value.persistent else self._non_persistent.add)(name)
        state.layouts += 1
        registry[name] = value
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        state.layouts += 1
        object.__delattr__(self, name)
        for registry in (self._parameters, self._buffers, self._modules):
            registry.pop(name, None)
        self._non_persistent.discard(name)

    def _new_name(self, kind: str, name: str, registry: dict[str, Any]) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() first")
        if not isinstance(name, str):
            raise TypeError(f"{kind} name: expected a str, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{kind} name {name!r}: expected a name without dots, not empty")
        if hasattr(self, name) and name not in registry:
            raise KeyError(f"attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or None in its place (then the state dict has no such key)."""
        self._new_name("parameter", name, self.__dict__.get("_parameters", {}))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r}: expected a Parameter, got {type(param).__name__}")
        if param is not None and not param.is_leaf:
            raise ValueError(f"parameter {name!r}: expected a leaf, got the result of an op")
        self._register(self._parameters, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is state but no parameter; saved with the others if `persistent`."""
        self._new_name("buffer", name, self.__dict__.get("_buffers", {}))
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"buffer {name!r}: expected a Tensor, got {type(tensor).__name__}")
        self._register(self._buffers, name, tensor)
        if tensor is not None:
            _C.reclaim(tensor, 1)
        (self._non_persistent.discard if persistent else self._non_persistent.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule under a name."""
        self._new_name("module", name, self.__dict__.get("_modules", {}))
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"module {name!r}: expected a Module, got {type(module).__name__}")
        self._register(self._modules, name, module)

    register_module = add_module

    # ---- the tree --------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The submodules held directly, with their names; each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The submodules held directly; each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """The module and all below it, with dotted names, parents first; each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """The module and all below it; each once."""
        return (module for _, module in self.named_modules())

    def _named_members(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        modules = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        seen: set[int] = set()
        for path, module in modules:
            for name, value in getattr(module, kind).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield _join(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names; a shared one once, under its first name."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; "" is this one. AttributeError where there is none."""
        module: Module = self
        for name in target.split(".") if target else ():
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(
                    f"{type(self).__name__} has no submodule {target!r}: "
                    f"{type(module).__name__} has no {name!r}"
                )
            module = found
        return module

    def _get_member(self, kind: str, what: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        found = getattr(self.get_submodule(path), kind).get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no {what} {target!r}")
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. AttributeError where there is none."""
        return self._get_member("_parameters", "parameter", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. AttributeError where there is none."""
        return self._get_member("_buffers", "buffer", target)

    # ---- the state -------------------------------------------------------------------------------

    def _named_state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Parameters and persistent buffers by key; a shared one under each of its names."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                yield prefix + name, parameter
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent:
                yield prefix + name, buffer
        for name, module in self._modules.items():
            if module is not None:
                yield from module._named_state(f"{prefix}{name}.")

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted name. They share the module's memory.

        Detached, unless `keep_vars`.
        """
        state = {} if destination is None else destination
        for key, value in self._named_state(prefix):
            state[key] = value if keep_vars else value.detach()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copies the values of a state dict into the parameters and buffers, cast to their dtypes.

        Values are whatever NumPy reads: Tensors, arrays, PyTorch's tensors. Raises RuntimeError,
        with all that is wrong, for missing and unexpected keys (if `strict`), for values of
        another shape, and for values that are no numbers; then nothing has changed.

        >>> import pyautograd as ag
        >>> ag.nn.Linear(2, 3).load_state_dict(ag.nn.Linear(2, 3).state_dict())
        <All keys matched successfully>
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a dict, got {type(state_dict).__name__}")
        own = dict(self._named_state())
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        problems = []
        if strict and missing:
            problems.append("missing keys: " + ", ".join(missing))
        if strict and unexpected:
            problems.append("unexpected keys: " + ", ".join(map(str, unexpected)))
        copies = []
        for key, target in own.items():
            if key not in state_dict:
                continue
            try:
                copies.append((target._array, _state_value(state_dict[key], target)))
            except (TypeError, ValueError, RuntimeError) as error:
                problems.append(f"{key}: {error}")
        if problems:
            what = f"load_state_dict: the state does not fit {type(self).__name__}:"
            raise RuntimeError("\n  ".join([what, *problems]))
        for array, value in copies:
            array[...] = value
            mark_modified(array, "load_state_dict")
        return LoadResult(missing, unexpected)

    # ---- the whole tree --------------------------------------------------------------------------

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Calls `fn` with each submodule, children first, and with this module last."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self: M, mode: bool = True) -> M:
        """Switches this module and all below it to training, or to evaluation."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: expected a bool, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Switches to evaluation: `train(False)`."""
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the parameters' gradients, or sets them to zeros."""
        zero_grads(self.parameters(), set_to_none)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Switches gradients of all parameters on or off."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(
        self: M, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False
    ) -> M:
        """Casts floating-point parameters (with their gradients) and buffers to a float dtype.

        `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(tensor)`; the only device is "cpu".
        """
        dtype = to_arguments("to", args, dtype, device)
        if dtype is None:
            return self
        wanted = as_dtype(dtype)
        if wanted.kind != "f":
            raise TypeError(f"to: modules are float32 or float64, not {wanted}")
        state.layouts += 1
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.is_floating_point():
                tensor._array = tensor._array.astype(wanted, copy=False)
                _C.reclaim(tensor, 1)
                if tensor.grad is not None:
                    tensor.grad = wrap(tensor.grad._array.astype(wanted, copy=False))
        return self

    def cpu(self: M) -> M:
        """The module itself: its parameters are on the CPU."""
        return self

    def cuda(self: M, device: Any = "cuda") -> M:
        """RuntimeError: there is no graphics card."""
        return self.to(device="cuda")

    def float(self: M) -> M:
        """Casts to float32."""
        return self.to(float32)

    def double(self: M) -> M:
        """Casts to float64."""
        return self.to(float64)

    # ---- how it prints ---------------------------------------------------------------------------

    def summary(self, *inputs: Any, dtype: Any = None, depth: int | None = None) -> Summary:
        """The layers with shapes, parameters, FLOPs and memory, for inputs of these shapes.

        inputs: the shape of each input of forward, batch included, or a tensor in its place.
        dtype: of the inputs given as shapes, one for all or a list; the parameters' unless given.
        depth: folds what lies deeper than that many levels into the layers around it.

        Prints as a table (which needs rich: `pip install 'pyautograd[cli]'`); the attributes of the
        result have the numbers: see `Summary`. The model is traced as for `compile`; one that asks
        for values runs once, on zeros or on the tensors given. Its mode, buffers, gradients and the
        random numbers stay as they were.

        Raises RuntimeError that names the layer which cannot take its input.

        >>> import pyautograd as ag
        >>> model = ag.nn.Sequential(ag.nn.Linear(784, 32), ag.nn.ReLU(), ag.nn.Linear(32, 10))
        >>> found = model.summary((64, 784))
        >>> found.parameters, found.flops
        (25450, 3254272)
        >>> found
        layer        output   parameters    FLOPs    memory
        ───────────────────────────────────────────────────
        Sequential   64x10
          0 Linear   64x32        25,120   3.21 M   8.19 kB
          1 ReLU     64x32                 2.05 k   8.19 kB
          2 Linear   64x10           330   41.0 k   2.56 kB
        <BLANKLINE>
        all                       25,450   3.25 M   18.9 kB
        <BLANKLINE>
        parameters: 102 kB; buffers: 0 B
        """
        return summary(self, *inputs, dtype=dtype, depth=depth)

    def extra_repr(self) -> str:
        """What stands between the parentheses, before the submodules."""
        return ""

    def _child_lines(self) -> list[str]:
        return [f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()]

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = self._child_lines()
        if not children and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        lines = [line for line in extra.split("\n") if line] + children
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def summary(model: Module, *inputs: Any, dtype: Any = None, depth: int | None = None) -> Summary:
    """The layers of a model with shapes, parameters, FLOPs and memory: see `Module.summary`."""
    from pyautograd.nn.summarize import summarize

    return summarize(model, *inputs, dtype=dtype, depth=depth)


def _indented(text: str) -> str:
    """`text` with every line but the first indented."""
    return text.replace("\n", "\n  ")


def _state_value(value: Any, target: Tensor) -> Any:
    """A value of a state dict as an array that can be copied into `target`."""
    array = value._array if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected numbers, got {type(value).__name__} of dtype {array.dtype}")
    if array.shape != target.shape:
        raise ValueError(f"shape {array.shape} in the state, {target.shape} in the module")
    if not target._array.flags.writeable:
        raise ValueError("the module's memory is read-only")
    # A value may be a view of one that is written to before it.
    return array.copy() if np.may_share_memory(array, target._array) else array


def zero_grads(tensors: Any, set_to_none: bool) -> None:
    """Removes the gradients of these tensors, or sets them to zeros in place."""
    for tensor in tensors:
        if state.tracing and (trace := tracer()) is not None:
            trace.touch(tensor, clears=set_to_none)
        grad = tensor.grad
        if grad is None:
            continue
        if set_to_none:
            tensor.grad = None
        elif grad._node is not None or not grad._array.flags.writeable:
            tensor.grad = wrap(np.zeros(grad.shape, grad.dtype))
        else:
            grad.zero_()
