"""Checkpointing: memory for time. A part of a program keeps its inputs alone, and is run again when
backward needs what it would have saved. Chen et al., 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from pyautograd.graph import saved_tensors_hooks
from pyautograd.modes import enable_grad, is_grad_enabled, state, tracer
from pyautograd.ops.random import default_generator
from pyautograd.tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Enough(BaseException):
    """Everything that was asked for has been computed again."""


class _Frame:
    """One checkpointed call: how to repeat it, and what has been computed again."""

    def __init__(self, call: Callable[[], Any], preserve_rng_state: bool, context: Any) -> None:
        self.call = call
        self.context = context  # around the second run
        self.random_state = default_generator.get_state() if preserve_rng_state else None
        self.saved = 0  # tensors that the first run saved
        self.values: dict[int, Any] = {}
        self.layouts: list[Any] = []

    def pack(self, tensor: Tensor) -> int:
        self.layouts.append((tensor.shape, tensor.dtype))
        self.saved += 1
        return self.saved - 1

    def unpack(self, i: int) -> Tensor:
        if i not in self.values:
            self.recompute()
        # Each is asked for once, but under retain_graph: then it is computed anew.
        return self.values.pop(i)

    def recompute(self) -> None:
        count = 0
        self.values.clear()

        def pack(tensor: Tensor) -> int:
            nonlocal count
            i, count = count, count + 1
            if i >= self.saved or self.layouts[i] != (tensor.shape, tensor.dtype):
                self._differs(f"tensor {i} has shape {tensor.shape} and dtype {tensor.dtype}")
            self.values[i] = tensor
            if count == self.saved:
                raise _Enough
            return i

        outside = default_generator.get_state() if self.random_state is not None else None
        if self.random_state is not None:
            default_generator.set_state(self.random_state)
        try:
            with (
                enable_grad(),
                saved_tensors_hooks(pack, self.values.__getitem__),
                self.context,
            ):
                self.call()
        except _Enough:
            pass
        finally:
            if outside is not None:
                default_generator.set_state(outside)
        if count != self.saved:
            self._differs(f"{count} tensors")

    def _differs(self, got: str) -> None:
        self.values.clear()
        raise RuntimeError(
            "checkpoint: running the function again saved other tensors than the first run: "
            f"{got}, the first run {self.saved} of {self.layouts}; the function must do the same "
            "each time it is called"
        )


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Callable[[], tuple[Any, Any]] | None = None,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, keeping only its arguments for backward, which runs it again.

    The function must compute the same again; random numbers (dropout) are repeated unless
    `preserve_rng_state` is false. Works under `backward`, `grad` and `create_graph`, and nested.
    `context_fn` returns two context managers, one for each run.
    `use_reentrant` is accepted for the sake of PyTorch's programs: both values mean this one.

    RuntimeError in backward where the second run saves other tensors than the first.

    >>> import pyautograd as ag
    >>> from pyautograd.utils.checkpoint import checkpoint
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: x.exp().exp(), x, use_reentrant=False).sum().backward()
    """
    first, second = context_fn() if context_fn is not None else (nullcontext(), nullcontext())
    in_graph = state.tracing and tracer() is not None  # a plan keeps what it needs, and no more
    if in_graph or not is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    frame = _Frame(lambda: function(*args, **kwargs), preserve_rng_state, second)
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Runs a Sequential, or a list of functions, in `segments` checkpointed parts of equal length.

    With about sqrt(n) segments, a chain of n needs memory for about 2 sqrt(n) of its layers.
    """
    chain = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if segments < 1:
        raise ValueError(f"checkpoint_sequential: expected at least 1 segment, got {segments}")
    size = max(1, len(chain) // segments)
    starts = [i * size for i in range(min(segments, len(chain)))]
    for start, end in zip(starts, [*starts[1:], len(chain)], strict=True):
        input = checkpoint(_run, chain[start:end], input, use_reentrant=use_reentrant, **kwargs)
    return input


def _run(chain: Sequence[Callable[[Any], Any]], x: Any) -> Any:
    for function in chain:
        x = function(x)
    return x
