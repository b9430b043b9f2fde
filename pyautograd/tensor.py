"""Tensor: an array and its place on the tape. Its operators and methods come from `ops/`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pyautograd import _C, tape
from pyautograd.device import CPU, device, on_cpu
from pyautograd.dtypes import SUPPORTED, as_dtype
from pyautograd.graph import Node, record
from pyautograd.hooks import RemovableHandle
from pyautograd.modes import is_grad_enabled, lend, state, tracer, version


class _AccumulateGrad:
    """The op of a leaf's node, which only holds a weak reference to the leaf."""

    name = "accumulate_grad"
    fresh = False
    holds_arrays = False
    saves = ()


class _RetainGrad:
    """The hook on a node that adds the gradient passing by to its tensor's `grad`."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, g: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor.grad = g.clone() if tensor.grad is None else tensor.grad + g


class Tensor:
    """An array of numbers with a place on the tape.

    Made by `tensor`, `zeros`, `from_numpy`, ... and by ops. `np.asarray(t)` shares its memory.
    `requires_grad` is true for leaves marked so and for whatever is computed from them.
    """

    # _base and _views are set where a tensor is a view, or has views: see `link_view`.
    __slots__ = ("__weakref__", "_array", "_base", "_node", "_views", "grad")
    # NumPy leaves `array * tensor` to Tensor.__rmul__.
    __array_ufunc__ = None
    # Made without __init__, which would cost a frame per op: see `wrap`.
    _array: Any
    _base: Tensor
    _node: Node | None
    _views: list[weakref.ref[Tensor]]
    grad: Tensor | None

    # ---- what it holds ---------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes by dimension."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self._array.dtype

    @property
    def device(self) -> device:
        """The CPU."""
        return CPU

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its size in one dimension."""
        return self._array.shape if dim is None else self._array.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps from one element to the next by dimension, in elements."""
        strides = tuple(s // self._array.itemsize for s in self._array.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in order, without gaps."""
        return self._array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the dtype is float32 or float64."""
        return self._array.dtype.kind == "f"

    def item(self) -> float | int | bool:
        """The value of a tensor with one element, as a Python number."""
        if self._array.size != 1:
            raise ValueError(f"item: a tensor of shape {self.shape} has not exactly one element")
        return self._for_python().item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self._for_python().tolist()

    def _for_python(self) -> Any:
        """The array, for Python to look at what is in it now."""
        if state.tracing and (trace := tracer()) is not None:
            trace.refuse_to_read(self._array)
        return self._array

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The array itself, not a copy.

        Of a tensor that requires a gradient only if `force`, or while nothing is recorded.
        """
        array = self._elements(force)
        lend(array)
        return array

    def _elements(self, force: bool = False) -> np.ndarray[Any, Any]:
        if self._node is not None and not force and is_grad_enabled():
            raise RuntimeError(
                "numpy: the tensor requires a gradient, which NumPy would not track; "
                "use t.detach().numpy()"
            )
        return self._array if isinstance(self._array, np.ndarray) else self._array.__array__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self._elements()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"__array__: {array.dtype} to {dtype} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else self.numpy()

    def __dlpack__(self, *, copy: bool | None = None, **options: Any) -> Any:
        """Hands the memory to another library, shared unless `copy`; read-only stays read-only."""
        if self._node is not None:
            raise BufferError(
                "__dlpack__: the tensor requires a gradient, which another library would not "
                "track; use t.detach()"
            )
        array = self._array.copy() if copy else self._array
        try:
            capsule = array.__dlpack__(**options)
        except TypeError:  # NumPy before 2.1 knows none of the newer options
            capsule = array.__dlpack__(stream=options.get("stream"))
        if not copy:
            lend(array)
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        """The CPU, as DLPack numbers devices."""
        return self._array.__dlpack_device__()

    def __len__(self) -> int:
        if not self._array.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self._array)))

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ValueError(
                f"the truth value of a tensor of shape {self.shape} is ambiguous: "
                "use any() or all()"
            )
        return bool(self._for_python().item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "iub" or self._array.size != 1:
            raise TypeError(f"only an integer tensor of one element is an index, got {self!r}")
        return int(self._for_python().item())

    def __contains__(self, value: Any) -> bool:
        return (
            value in self._array if not isinstance(value, Tensor) else value._array in self._array
        )

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        from pyautograd.display import tensor_repr

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._array.ndim == 0 else format(repr(self), spec)

    # ---- its place on the tape -------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether backward computes a gradient for it or through it."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Marks a leaf as requiring a gradient, or not."""
        state.layouts += 1
        if requires_grad and self._node is None:
            if self._array.dtype.kind != "f":
                raise RuntimeError(
                    f"requires_grad: only float32 and float64 tensors have gradients, "
                    f"this one is {self.dtype}"
                )
            self._node = record(_AccumulateGrad, (), weakref.ref(self))
        elif not requires_grad and self._node is not None:
            if not self.is_leaf:
                raise RuntimeError(
                    "requires_grad: only a leaf can be switched off; use detach() for a value "
                    "that the tape does not follow"
                )
            self._node = None
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op computed it."""
        return self._node is None or self._node.op is _AccumulateGrad

    @property
    def grad_fn(self) -> Node | None:
        """The node of the op that computed it; None for a leaf."""
        return None if self.is_leaf else self._node

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Adds the gradient of this tensor to the `grad` of every leaf it depends on.

        >>> import pyautograd as ag
        >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        tape.backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Makes backward fill `grad` of this tensor although it is no leaf."""
        if self._node is None:
            raise RuntimeError("retain_grad: the tensor requires no gradient")
        if not self.is_leaf and not self.retains_grad:
            self._node._hooks().add("retain", _RetainGrad(self))

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this tensor, and it is no leaf."""
        hooks = None if self.is_leaf or self._node is None else self._node.hooks
        return hooks is not None and any(h.tensor() is self for h in hooks.retain.values())

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls `hook(grad)` when backward has this tensor's gradient, before anything uses it.

        The hook may return another gradient in its place; it must not change its argument.

        >>> import pyautograd as ag
        >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda grad: grad * 10)
        >>> x.sum().backward()
        >>> x.grad
        tensor([10., 10.])
        >>> handle.remove()
        """
        if self._node is None:
            raise RuntimeError("register_hook: the tensor requires no gradient")
        return self._node._hooks().add("tensor", hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Calls `hook(tensor)` each time that backward has added to `grad` of this leaf."""
        if self._node is None or not self.is_leaf:
            raise RuntimeError(
                "register_post_accumulate_grad_hook: only leaves that require a gradient have one "
                "accumulated"
            )
        return self._node._hooks().add("accumulated", hook)

    @property
    def _version(self) -> int:
        """How often its memory has been changed in place, by it or by what shares the memory."""
        return version(self._array)

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        return wrap(self._array)

    @property
    def data(self) -> Tensor:
        """The same memory, off the tape. Assigning replaces the values."""
        return wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if state.tracing and (trace := tracer()) is not None:
            trace.replace(self, value._array)
            return
        state.layouts += 1
        self._array = value._array

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only leaves can be copied; use clone() or detach()")
        copy = wrap(self._array.copy(), kind=type(self))
        _C.reclaim(copy, 1)
        memo[id(self)] = copy
        if self._node is not None:
            copy.requires_grad_()
        if self.grad is not None:
            copy.grad = wrap(self.grad._array.copy())
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaves can be pickled; use detach()")
        if protocol >= 5:
            lend(self._array)  # it may be pickled as a view of its memory
        return _rebuild, (type(self), self._array, self.requires_grad)

    if TYPE_CHECKING:  # attached by ops/

        def __getattr__(self, name: str) -> Callable[..., Any]: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __invert__(self) -> Tensor: ...


def wrap(array: Any, node: Node | None = None, kind: type[Tensor] = Tensor) -> Tensor:
    """A Tensor on this very array."""
    tensor = kind()
    tensor._array = array
    tensor._node = node
    tensor.grad = None
    return tensor


tape.tensors.wrap = wrap


# link_view(view, source) notes that two share memory, for changes in place of either.
link_view = _C.link_view


def _rebuild(kind: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    tensor = wrap(array, kind=kind)
    return tensor.requires_grad_() if requires_grad else tensor


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, *, device: Any = None
) -> Tensor:
    """A new tensor with a copy of `data`: a number, nested lists, an array or a Tensor.

    Without `dtype`, Python floats become float32 and ints int64; arrays keep their dtype.

    >>> import pyautograd as ag
    >>> ag.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> ag.tensor([1.0, 2.5], requires_grad=True)
    tensor([1.0000, 2.5000], requires_grad=True)
    """
    on_cpu(device)
    if isinstance(data, Tensor):
        array = data._array
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
    else:
        array = np.asarray(_plain(data))
        if dtype is None and array.dtype == np.float64 and not _holds_float64(data):
            dtype = np.float32
    dtype = as_dtype(array.dtype if dtype is None else dtype)
    result = wrap(_C.cached(np.array, array, dtype=dtype, order="C"))
    if state.tracing and (trace := tracer()) is not None:
        trace.made(result._array)
    return result.requires_grad_() if requires_grad else result


def _plain(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data._array
    return [_plain(x) for x in data] if isinstance(data, (list, tuple)) else data


def _holds_float64(data: Any) -> bool:
    """Whether nested lists hold NumPy values of float64, which keep their precision."""
    if isinstance(data, (list, tuple)):
        return bool(data) and _holds_float64(data[0])
    return getattr(data, "dtype", None) == np.float64


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the array's memory.

    Raises TypeError for a dtype without kernels, and for an array of foreign byte order.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected an ndarray, got {type(array).__name__}")
    if array.dtype not in SUPPORTED or not array.dtype.isnative:
        raise TypeError(f"from_numpy: dtype {array.dtype} is not supported")
    array = np.asarray(array)  # the plain array of a np.matrix, np.memmap, ...
    lend(array)
    return wrap(array)


def from_dlpack(source: Any) -> Tensor:
    """A tensor that shares the memory of another library's array or tensor on the CPU.

    Raises TypeError for what has no `__dlpack__`, or a dtype without kernels.

    >>> import numpy as np
    >>> import pyautograd as ag
    >>> a = np.zeros(2, np.float32)
    >>> t = ag.from_dlpack(a)
    >>> a[0] = 5.0
    >>> t
    tensor([5., 0.])
    """
    if not hasattr(source, "__dlpack__"):
        raise TypeError(f"from_dlpack: {type(source).__name__} has no __dlpack__")
    return from_numpy(np.from_dlpack(source))


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a Tensor, without a copy where it is a Tensor or an array of that dtype."""
    on_cpu(device)
    if isinstance(data, Tensor):
        return data if dtype is None or data.dtype == dtype else data.to(as_dtype(dtype))
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == dtype):
        return from_numpy(data)
    return tensor(data, dtype)
