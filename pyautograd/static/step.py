"""The steps of a plan while it is made, and where their operands lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pyautograd.static.graph import Call
from pyautograd.static.passes.fuse import INSTRUCTION


class Buffer:
    """Memory of values: a range of the arena, or that of a slot."""

    __slots__ = ("at", "first", "last", "memory", "shared", "slot")

    def __init__(self, memory: Any, slot: int = 0) -> None:
        self.memory = memory  # an array of that size and layout, for its addresses alone
        self.slot = slot
        self.at = 0  # offset in the arena
        self.shared: Buffer | None = None  # another whose memory it takes over
        self.first = self.last = -1  # steps that write and read it

    @property
    def root(self) -> Buffer:
        buffer = self
        while buffer.shared is not None:
            buffer = buffer.shared
        return buffer


class Home:
    """Where a value lies: a buffer, and an array over it that has the value's layout."""

    __slots__ = ("buffer", "layout")

    def __init__(self, buffer: Buffer, layout: Any) -> None:
        self.buffer = buffer
        self.layout = layout

    def operand(self) -> tuple[Any, ...]:
        """As csrc/bindings/plan.cpp takes it."""
        x = self.layout
        offset = _address(x) - _address(self.buffer.memory) + self.buffer.root.at
        return x.dtype.num, x.shape, x.strides, self.buffer.root.slot, offset


def _address(array: Any) -> int:
    return array.__array_interface__["data"][0]


class Step:
    """One step, native or Python's, before memory is laid out."""

    __slots__ = ("call", "handed", "inputs", "ints", "name", "numbers", "outputs", "tail", "title")

    def __init__(
        self,
        name: str,
        inputs: list[Home | None],
        outputs: list[Home],
        ints: list[int],
        numbers: list[float],
        call: Call | None = None,
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.outputs = outputs
        self.ints = ints
        self.numbers = numbers
        self.call = call  # what Python calls; None for a native step
        self.title = name  # for readers
        self.tail: Step | None = None  # a program that the kernel runs, of its results
        self.handed: Buffer | None = None  # or of its operand: in no memory, but handed over

    def native_call(self) -> tuple[Any, ...]:
        tail = None if self.tail is None else self.tail.described()
        return self.name, *self.described(), tail

    def described(self) -> tuple[Any, ...]:
        inputs = [None if x is None else x.operand() for x in self.inputs]
        return inputs, [y.operand() for y in self.outputs], self.ints, self.numbers

    def may_overwrite(self, output: int, operand: int) -> bool:
        """Of a program: whether a result may lie where an operand does, which is read no later."""
        code = [self.ints[i : i + INSTRUCTION] for i in range(0, len(self.ints), INSTRUCTION)]
        register = len(self.inputs) + len(self.numbers) + output
        written = min(i for i, instruction in enumerate(code) if instruction[2] == register)
        read = max(i for i, instruction in enumerate(code) if operand in instruction[3:])
        return read <= written

    def read(self) -> Iterator[Home]:
        yield from (x for x in self.inputs if x is not None and x.buffer is not self.handed)
        if self.tail is not None:
            yield from self.tail.read()

    def written(self) -> Iterator[Home]:
        yield from self.outputs
        if self.tail is not None:
            yield from (y for y in self.tail.outputs if y.buffer is not self.handed)

    def homes(self) -> Iterator[Home]:
        """All that it reads or writes."""
        yield from self.read()
        yield from self.written()


_WORDS = {"none": 0, "mean": 1, "sum": 2}


def flatten(attribute: Any, ints: list[int], numbers: list[float]) -> bool:
    """Attributes as lists of integers and of floats; False for what is neither."""
    if isinstance(attribute, (tuple, list)):
        return all(flatten(a, ints, numbers) for a in attribute)
    if isinstance(attribute, np.ndarray) and attribute.dtype.kind in "if":
        ints.append(attribute.size)
        (numbers if attribute.dtype.kind == "f" else ints).extend(attribute.ravel().tolist())
    elif isinstance(attribute, float):
        numbers.append(attribute)
    elif isinstance(attribute, (int, np.integer)):
        ints.append(int(attribute))
    elif isinstance(attribute, str) and attribute in _WORDS:
        ints.append(_WORDS[attribute])
    else:
        return False
    return True
