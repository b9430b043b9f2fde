"""Starting values of parameters, written in place. Names and arguments as in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.modes import no_grad
from pyautograd.ops.inplace import assign
from pyautograd.ops.random import Generator, default_generator, sampled
from pyautograd.tensor import Tensor


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights grow to make up for what a nonlinearity takes away.

    `param` is the slope of leaky_relu for negative values, 0.01 unless given.
    """
    if nonlinearity in ("linear", "conv1d", "conv2d", "conv3d", "sigmoid"):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3.0
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: expected the slope as a number, got {slope!r}")
        return math.sqrt(2.0 / (1.0 + slope**2))
    if nonlinearity == "selu":
        return 0.75
    raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}")


def fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output has, and outputs an input, for weights (out, in, ...)."""
    if tensor.ndim < 2:
        raise ValueError(f"init: a tensor of shape {tensor.shape} has no fan in and fan out")
    taps = math.prod(tensor.shape[2:])
    return tensor.shape[1] * taps, tensor.shape[0] * taps


def _fill(name: str, tensor: Tensor, values: Any) -> Tensor:
    with no_grad():
        return assign(tensor, name, (...,), values)


def _fill_drawn(
    name: str,
    tensor: Tensor,
    generator: Generator | None,
    method: str,
    finish: Callable[[Any, Generator], Any],
) -> Tensor:
    """Filled with numbers drawn by a method of np.random.Generator, after `finish` of them."""
    dtype = tensor.dtype
    if dtype.kind != "f":
        raise TypeError(f"init: random values are float32 or float64, the tensor is {dtype}")
    source = generator or default_generator

    def draw(shape: tuple[int, ...]) -> Any:
        return finish(source.draw(method, size=shape, dtype=dtype), source)

    return _fill(name, tensor, sampled(draw, tensor.shape, source))


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform in [a, b)."""
    if not a <= b:
        raise ValueError(f"uniform_: expected a <= b, got {a} and {b}")
    scale, shift = tensor.dtype.type(b - a), tensor.dtype.type(a)
    return _fill_drawn("uniform_", tensor, generator, "random", lambda x, _: x * scale + shift)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal with a mean and a standard deviation."""
    if not std >= 0:
        raise ValueError(f"normal_: expected std >= 0, got {std}")
    scale, shift = tensor.dtype.type(std), tensor.dtype.type(mean)
    return _fill_drawn(
        "normal_", tensor, generator, "standard_normal", lambda x, _: x * scale + shift
    )


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere."""
    return _fill("constant_", tensor, np.asarray(val))


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, with values outside [a, b] drawn anew.

    Where fewer than one in 100 would lie inside, raises ValueError.

    >>> import pyautograd as ag
    >>> w = ag.nn.init.trunc_normal_(ag.empty(1000), std=2.0)
    >>> bool((w.abs() <= 2.0).all())
    True
    """
    low, high = ((edge - mean) / (std * math.sqrt(2.0)) if std > 0 else 0.0 for edge in (a, b))
    if not std > 0 or (math.erf(high) - math.erf(low)) / 2 < 0.01:
        raise ValueError(
            f"trunc_normal_: a normal of mean {mean} and std {std} has next to no values in "
            f"[{a}, {b}]"
        )
    kind = tensor.dtype.type

    def finish(x: Any, source: Generator) -> Any:
        values = x * kind(std) + kind(mean)
        while (outside := (values < a) | (values > b)).any():
            again = source.draw("standard_normal", size=int(outside.sum()), dtype=x.dtype)
            values[outside] = again * kind(std) + kind(mean)
        return values

    return _fill_drawn("trunc_normal_", tensor, generator, "standard_normal", finish)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, cut where a matrix is not square."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.shape}")
    return _fill("eye_", tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Filters that hand their input on: a 1 in the middle of filter o for its channel o.

    weights (O, C/groups, ...) of a convolution in one to three dimensions; each group of filters
    begins again with its first channel.
    """
    if tensor.ndim not in (3, 4, 5) or groups < 1 or tensor.shape[0] % groups:
        raise ValueError(
            f"dirac_: expected weights (O, C, ...) of 3 to 5 dimensions with O divisible by "
            f"{groups}, got shape {tensor.shape}"
        )
    values = np.zeros(tensor.shape, tensor.dtype)
    each = tensor.shape[0] // groups
    middle = tuple([n // 2 for n in tensor.shape[2:]])
    for o in range(tensor.shape[0]):
        if o % each < tensor.shape[1]:
            place = (o, o % each, *middle)
            values[place] = 1
    return _fill("dirac_", tensor, values)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Orthogonal rows (or columns, of a tall matrix) of length `gain`, uniform among such.

    Dimensions after the first count as one. Saxe et al., 2014.

    >>> import pyautograd as ag
    >>> w = ag.nn.init.orthogonal_(ag.empty(2, 5))
    >>> bool(((w @ w.T - ag.eye(2)).abs() < 1e-6).all())
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 dimensions, got shape {tensor.shape}")
    if not tensor.numel():
        return tensor

    def finish(x: Any, source: Generator) -> Any:
        normal = x.reshape(x.shape[0], -1)
        wide = normal.shape[0] < normal.shape[1]
        q, r = np.linalg.qr(normal.T if wide else normal)
        q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # else qr's own choice of signs would show
        return np.asarray((q.T if wide else q) * gain, x.dtype).reshape(x.shape)

    return _fill_drawn("orthogonal_", tensor, generator, "standard_normal", finish)


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal, with the share `sparsity` of each column (rounded up) set to 0. Martens, 2010."""
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: expected a matrix, got shape {tensor.shape}")
    if not 0.0 <= sparsity <= 1.0:
        raise ValueError(f"sparse_: expected a sparsity in [0, 1], got {sparsity}")
    zeros = math.ceil(sparsity * tensor.shape[0])

    def finish(x: Any, source: Generator) -> Any:
        values = x * x.dtype.type(std)
        for column in range(x.shape[1]):
            values[source.draw("permutation", x.shape[0])[:zeros], column] = 0
        return values

    return _fill_drawn("sparse_", tensor, generator, "standard_normal", finish)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform within ±gain sqrt(6 / (fan_in + fan_out)). Glorot and Bengio, 2010."""
    bound = gain * math.sqrt(6.0 / max(sum(fan_in_and_fan_out(tensor)), 1))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)). Glorot and Bengio, 2010."""
    std = gain * math.sqrt(2.0 / max(sum(fan_in_and_fan_out(tensor)), 1))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode is fan_in or fan_out, got {mode!r}")
    fan = fan_in_and_fan_out(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform within ±gain sqrt(3 / fan); `a` is the slope of leaky_relu. He et al., 2015.

    >>> import pyautograd as ag
    >>> w = ag.nn.init.kaiming_uniform_(ag.empty(8, 6), nonlinearity="relu")
    >>> bool((w.abs() <= 1.0).all())
    True
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain / sqrt(fan). He et al., 2015."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def default_(weight: Tensor, bias: Tensor | None) -> None:
    """What Linear and Conv2d start from: both uniform within ±1 / sqrt(fan_in)."""
    kaiming_uniform_(weight, a=math.sqrt(5.0))
    if bias is not None:
        fan_in, _ = fan_in_and_fan_out(weight)
        bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
        uniform_(bias, -bound, bound)


__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
