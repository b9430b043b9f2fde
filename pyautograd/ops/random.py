"""Random tensors, and dropout. One generator a process, behind a lock; `manual_seed` sets it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.device import on_cpu
from pyautograd.dtypes import as_dtype, float32
from pyautograd.modes import refuse_in_graph, state, tracer
from pyautograd.op import graph_of
from pyautograd.ops import elementwise as ew
from pyautograd.ops.shape import _sizes
from pyautograd.tensor import Tensor, wrap

__all__ = [
    "Generator",
    "default_generator",
    "dropout",
    "get_rng_state",
    "manual_seed",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "set_rng_state",
]


class Generator:
    """A stream of random numbers (Philox), the same for the same seed.

    >>> import pyautograd as ag
    >>> a, b = ag.Generator().manual_seed(3), ag.Generator().manual_seed(3)
    >>> bool((ag.rand(4, generator=a) == ag.rand(4, generator=b)).all())
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream: Any = None  # made at first use: numpy.random is slow to load

    def _bits(self, *seed: int) -> Any:
        if self._stream is None or seed:
            self._stream = np.random.Generator(np.random.Philox(*seed))
        return self._stream

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream that belongs to `seed`."""
        with self._lock:
            self._bits(seed)
        return self

    def get_state(self) -> dict[str, Any]:
        """Where the stream stands, for `set_state`."""
        with self._lock:
            return dict(self._bits().bit_generator.state)

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from a place that `get_state` told."""
        with self._lock:
            self._bits().bit_generator.state = state

    def draw(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A call of a method of np.random.Generator, one thread at a time."""
        with self._lock:
            return getattr(self._bits(), name)(*args, **kwargs)


default_generator = Generator()


def sampled(
    draw: Callable[[tuple[int, ...]], Any], shape: tuple[int, ...], source: Generator
) -> Tensor:
    """The tensor of what `draw` gives for a shape, of numbers from `source`.

    vmap puts its own in this place.
    """
    if state.tracing and (trace := tracer()) is not None:
        return trace.draw(draw, shape, source)
    return wrap(_C.cached(draw, shape))


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator."""
    refuse_in_graph("manual_seed")
    return default_generator.manual_seed(seed)


def get_rng_state() -> dict[str, Any]:
    """Where the default generator stands, for `set_rng_state`."""
    return default_generator.get_state()


def set_rng_state(new_state: dict[str, Any]) -> None:
    """Goes on from a place that `get_rng_state` told."""
    refuse_in_graph("set_rng_state")
    default_generator.set_state(new_state)


def _drawn(
    name: str, size: Any, dtype: Any, device: Any, requires_grad: bool, generator: Any
) -> Tensor:
    on_cpu(device)
    dtype = as_dtype(dtype or float32)
    if dtype.kind != "f":
        raise TypeError(f"random numbers are float32 or float64, not {dtype}")
    source = generator or default_generator
    out = sampled(
        lambda shape: np.asarray(source.draw(name, size=shape, dtype=dtype)),
        _sizes(size),
        source,
    )
    return out.requires_grad_() if requires_grad else out


def rand(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in [0, 1)."""
    return _drawn("random", size, dtype, device, requires_grad, generator)


def randn(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Normal, mean 0 and variance 1."""
    return _drawn("standard_normal", size, dtype, device, requires_grad, generator)


def randint(
    low: int,
    high: Any = None,
    size: Any = None,
    *,
    dtype: Any = np.int64,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`."""
    if size is None:
        low, high, size = 0, low, high
    on_cpu(device)
    if low >= high:
        raise ValueError(f"randint: expected low < high, got {low} and {high}")
    source, dtype = generator or default_generator, as_dtype(dtype)
    return sampled(
        lambda shape: np.asarray(source.draw("integers", low, high, size=shape)).astype(dtype),
        _sizes((size,)),
        source,
    )


def randperm(n: int, *, device: Any = None, generator: Generator | None = None) -> Tensor:
    """The numbers 0 to n-1 in random order, int64."""
    on_cpu(device)
    if n < 0:
        raise ValueError(f"randperm: expected n >= 0, got {n}")
    source = generator or default_generator

    def draw(shape: tuple[int, ...]) -> Any:
        if len(shape) == 1:
            return source.draw("permutation", n)
        return source.draw("permuted", np.broadcast_to(np.arange(n), shape), axis=-1)

    return sampled(draw, (n,), source)


def rand_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform in [0, 1), in the shape and dtype of `input`."""
    if state.building and (graph := graph_of(input)) is not None:
        return graph.run(rand_like, input, dtype=dtype, device=device, requires_grad=requires_grad)
    return rand(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal, in the shape and dtype of `input`."""
    if state.building and (graph := graph_of(input)) is not None:
        return graph.run(randn_like, input, dtype=dtype, device=device, requires_grad=requires_grad)
    return randn(
        input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def randint_like(
    input: Tensor, low: int, high: Any = None, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """Integers in [low, high), in the shape and dtype of `input`."""
    if state.building and (graph := graph_of(input)) is not None:
        return graph.run(randint_like, input, low, high, dtype=dtype, device=device)
    if high is None:
        low, high = 0, low
    return randint(low, high, input.shape, dtype=dtype or input.dtype, device=device)


def _dropout(op: str, input: Tensor, p: float, training: bool, shape: tuple[int, ...]) -> Tensor:
    """One draw for each element of `shape`, which broadcasts to the input's."""
    if state.building and (graph := graph_of(input)) is not None:
        return graph.run(_dropout, op, input, p, training, shape)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{op}: expected a probability, got p={p}")
    if not training or p == 0.0:
        return input
    if p == 1.0:
        return ew.mul(input, 0.0)
    dtype = input.dtype

    def draw(shape: tuple[int, ...]) -> Any:
        keep = default_generator.draw("random", size=shape, dtype=np.float32) >= p
        return ((1.0 / (1.0 - p)) * keep).astype(dtype)

    return ew.mul(input, sampled(draw, shape, default_generator))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability p and divides the others by 1 - p, in training.

    Srivastava et al., 2014, in the inverted form that leaves evaluation alone. `inplace` is
    taken so that programs written for PyTorch run; the input never changes.
    """
    return _dropout("dropout", input, p, training, input.shape)


def _channels(op: str, input: Tensor, p: float, training: bool, spatial: int) -> Tensor:
    if input.ndim not in (spatial + 1, spatial + 2):
        raise ValueError(
            f"{op}: expected {spatial + 1} or {spatial + 2} dimensions, got shape {input.shape}"
        )
    return _dropout(op, input, p, training, (*input.shape[:-spatial], *(1,) * spatial))


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of (N, C, L) or (C, L) with probability p; see `dropout`."""
    return _channels("dropout1d", input, p, training, 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of images (N, C, H, W) or (C, H, W) with probability p.

    Tompson et al., 2015.
    """
    return _channels("dropout2d", input, p, training, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zeroes whole channels of volumes (N, C, D, H, W) or (C, D, H, W) with probability p."""
    return _channels("dropout3d", input, p, training, 3)
