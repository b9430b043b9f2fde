"""What a call of an op costs at least: its arithmetic, and the bytes that it reads and writes.

The counts are the field's: an element-wise function is one operation an element, whichever it is; a
reduction one for each element that it reads; a contraction two (a multiplication and an addition)
for each product. Moving data is no operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """Floating-point operations, and bytes."""

    flops: int
    bytes: int


class Layout(NamedTuple):
    """What an array looked like, without the array."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: Any

    @classmethod
    def of(cls, x: Any) -> Layout | None:
        """The layout of an array or of a value of a static graph; None for anything else."""
        try:
            return cls(x.shape, x.strides, x.dtype)
        except AttributeError:
            return None

    @property
    def size(self) -> int:
        """How many elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of memory behind it: what is repeated by a stride of 0 counts once."""
        steps = zip(self.shape, self.strides, strict=True)
        return math.prod([n for n, stride in steps if stride or not n]) * self.dtype.itemsize


# flops(inputs, attrs, outputs): inputs and outputs are layouts; None for inputs that are numbers.
Flops = Callable[[Sequence[Any], tuple[Any, ...], Sequence[Layout]], int]


def per_element(count: int = 1) -> Flops:
    """`count` for each element of the first input."""
    return lambda inputs, attrs, outputs: count * inputs[0].size


def products(depth: Callable[[Sequence[Any], tuple[Any, ...]], int], of_input: bool) -> Flops:
    """Two for each of `depth(inputs, attrs)` products in each element of the output.

    Or of the first input: that of the gradient of a convolution has the elements of its output.
    """

    def flops(inputs: Sequence[Any], attrs: tuple[Any, ...], outputs: Sequence[Layout]) -> int:
        return 2 * (inputs[0] if of_input else outputs[0]).size * depth(inputs, attrs)

    return flops


BY_KIND: dict[str, Flops] = {
    "elementwise": lambda inputs, attrs, outputs: outputs[0].size,
    "reduction": per_element(),
    "movement": lambda inputs, attrs, outputs: 0,
    "window": per_element(),
    # The order of all of them: n^3, of which they take between 1/3 and some 20.
    "factorisation": lambda inputs, attrs, outputs: inputs[0].size * inputs[0].shape[-1],
    "normalisation": per_element(5),  # the largest, its difference, exp, sum, quotient
}


def moved(inputs: Sequence[Any], outputs: Sequence[Layout], picks: bool) -> int:
    """Bytes read and written. `picks`: of the first input no more is read than is written."""
    read = [x.nbytes for x in inputs if x is not None]
    written = sum([y.nbytes for y in outputs])
    if picks:
        read[0] = min(read[0], written)
    return sum(read) + written
