"""New tensors like another, dtypes by name, and what a tensor tells of itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd.dtypes import as_dtype
from pyautograd.op import method, result_dtype
from pyautograd.ops import create
from pyautograd.tensor import Tensor, as_tensor, tensor

__all__ = [
    "asarray",
    "finfo",
    "iinfo",
    "is_floating_point",
    "is_nonzero",
    "is_tensor",
    "logspace",
    "numel",
    "promote_types",
    "result_type",
    "scalar_tensor",
]

finfo, iinfo = np.finfo, np.iinfo


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is float32 or float64."""
    return input.is_floating_point()


@method()
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element is not 0."""
    if input.numel() != 1:
        raise RuntimeError(f"is_nonzero: expected one element, got shape {input.shape}")
    return bool(input.item())


def promote_types(type1: Any, type2: Any) -> Any:
    """The dtype of what an op makes of two tensors of these dtypes."""
    return result_dtype("add", *[np.empty(1, as_dtype(t)) for t in (type1, type2)])


def result_type(tensor1: Any, tensor2: Any) -> Any:
    """The dtype of what an op makes of two operands, tensors or numbers."""
    return result_dtype(
        "add", *[x._array if isinstance(x, Tensor) else x for x in (tensor1, tensor2)]
    )


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """`obj` as a Tensor, without a copy where that can be; `copy=True` always copies."""
    return tensor(obj, dtype, device=device) if copy else as_tensor(obj, dtype, device)


def scalar_tensor(s: Any, *, dtype: Any = np.float32, device: Any = None) -> Tensor:
    """A number as a 0-d tensor."""
    return tensor(s, dtype, device=device)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = np.float32,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` powers of `base`, with exponents evenly from `start` to `end`, both included."""
    values = np.logspace(start, end, steps, base=base)
    return create.made(values.astype(as_dtype(dtype)), device, requires_grad)


# ---- methods -------------------------------------------------------------------------------------


def _new(name: str, function: Any) -> None:
    def run(self: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        return function(*size, dtype=dtype or self.dtype, **options)

    run.__doc__ = f"`{function.__name__}` of the dtype of this tensor unless another is given."
    method(name)(run)


for _name in ("zeros", "ones", "empty", "full"):
    _new(f"new_{_name}", getattr(create, _name))


@method()
def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """`tensor(data)` of the dtype of this tensor unless another is given."""
    return tensor(data, dtype or self.dtype, **options)


@method()
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """In the dtype of `other`."""
    return self.to(other.dtype)


@method("type")
def type_(self: Tensor, dtype: Any = None) -> Any:
    """In another dtype; without one, the name of this one."""
    return f"pyautograd.{self.dtype}" if dtype is None else self.to(dtype)


@method()
def byte(self: Tensor) -> Tensor:
    """In uint8."""
    return self.to(np.uint8)


@method()
def data_ptr(self: Tensor) -> int:
    """The address of the first element."""
    return int(self._array.__array_interface__["data"][0])


method("ndimension")(Tensor.dim)
method("nelement")(Tensor.numel)
Tensor.is_cuda = False  # type: ignore[attr-defined]
Tensor.itemsize = property(lambda self: self.dtype.itemsize)  # type: ignore[attr-defined]
Tensor.nbytes = property(lambda self: self.numel() * self.dtype.itemsize)  # type: ignore[attr-defined]
method("is_complex")(lambda self: False)
method("is_signed")(lambda self: self.dtype.kind in "fi")
