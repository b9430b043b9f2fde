"""What the shapes of a call's results are where sizes are unknown.

Shape rules stay as they are: they are run on a few examples of the sizes ("probes"), and what comes
out is found again among the sizes that went in, or by the rule itself, run on sizes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from pyautograd.graph import GraphError
from pyautograd.origin import users_line
from pyautograd.static.sizes import Sizes
from pyautograd.static.symbolic import Size, Values, evaluate, sizes_in


def layouts(
    sizes: Sizes, op: Any, operands: list[Any], attrs: tuple[Any, ...], rule: Callable[..., Any]
) -> list[tuple[Any, Any]]:
    """What `rule(op, operands, attrs)` gives, (shape, dtype) of each output, in sizes.

    Raises what the rule raises, unless it is content with some sizes made equal that may be.
    """
    try:
        return _found(sizes, op, operands, attrs, rule)
    except _REFUSALS as error:
        for _ in sizes.made_equal(operands):
            try:
                return _found(sizes, op, operands, attrs, rule)
            except _REFUSALS:
                pass
        raise sizes.explained(error, operands, attrs) from None


_REFUSALS = (ValueError, TypeError, IndexError, GraphError)


def _found(
    sizes: Sizes, op: Any, operands: list[Any], attrs: tuple[Any, ...], rule: Callable[..., Any]
) -> list[tuple[Any, Any]]:
    """The layouts found from examples.

    A rule may have several pieces (x[:32] of 10 rows, of 100): if the small probes do not lead to
    what it gives for the sizes of now, ones about those do.
    """
    try:
        found = Fit(sizes, sizes.probes, op, operands, attrs).layouts(rule)
        args = [_example(x, sizes.now) for x in operands]
        first = op.infer(*([args] if op.inputs < 0 else args), *evaluate(attrs, sizes.now))[0]
        if evaluate(found[0][0], sizes.now) == tuple(first):
            return found
    except (ValueError, IndexError, ArithmeticError):
        pass
    near = [{name: n + more for name, n in sizes.now.items()} for more in (0, 1, 5)]
    return Fit(sizes, near, op, operands, attrs).layouts(rule)


def _inferred(sizes: Sizes, op: Any, operands: Any, attrs: Any) -> Any:
    """The op's shape rule run on sizes; () where it needs integers."""
    sizes.asking = False
    try:
        return op.infer(*([list(operands)] if op.inputs < 0 else operands), *attrs)[0]
    except (GraphError, TypeError, ValueError):
        return ()
    finally:
        sizes.asking = True


class Fit:
    """Finds what the sizes of a call's results are, from examples."""

    def __init__(
        self, sizes: Sizes, probes: list[Values], op: Any, operands: Any, attrs: Any
    ) -> None:
        self.probes = probes
        self.call = op, operands, attrs
        self.given = list(sizes_in([getattr(x, "shape", x) for x in operands] + [attrs]))
        if op.name == "slice":
            self.given += _lengths(attrs[0], operands[0].shape)
        self._inferred = functools.partial(_inferred, sizes, op, operands, attrs)

    def layouts(self, rule: Callable[..., Any]) -> list[tuple[Any, Any]]:
        op, operands, attrs = self.call
        found = [
            rule(op, [_example(x, values) for x in operands], evaluate(attrs, values))
            for values in self.probes
        ]
        layouts = []
        for i, (_, dtype) in enumerate(found[0]):
            layouts.append((self._shape(i, [f[i][0] for f in found]), dtype))
            self.given += sizes_in(layouts[-1][0])  # further outputs have sizes like the first
        return layouts

    def _shape(self, output: int, shapes: list[Any]) -> tuple[Any, ...]:
        fitted: list[Any] = []
        for d, examples in enumerate(zip(*shapes, strict=True)):
            known: Any = examples[0] if examples.count(examples[0]) == len(examples) else None
            if known is None:
                known = next((s for s in self.given if self._is(s, examples)), None)
            if known is None and output == 0:
                inferred = self._inferred()
                if len(inferred) == len(shapes[0]) and self._is(inferred[d], examples):
                    known = inferred[d]
            known = self._scaled(examples) if known is None else known
            if known is None:
                raise GraphError(
                    f"{self.call[0].name}: how a size of its result follows from sizes that are "
                    f"not known yet cannot be told, at {users_line()}"
                )
            fitted.append(known)
        return tuple(fitted)

    def _is(self, x: Any, examples: Any) -> bool:
        return all(evaluate(x, v) == n for v, n in zip(self.probes, examples, strict=True))

    def _scaled(self, examples: Any) -> Any:
        """a n + b of one of the sizes n."""
        for size in self.given:
            n = [evaluate(size, values) for values in self.probes]
            if n[0] == n[1] or (examples[1] - examples[0]) % (n[1] - n[0]):
                continue
            a = (examples[1] - examples[0]) // (n[1] - n[0])
            found = size * a + (examples[0] - a * n[0])
            if self._is(found, examples):
                return found
        return None


def _lengths(key: Any, shape: tuple[Any, ...]) -> Iterator[Size]:
    """How long slices may be, as sizes: ceil((stop - start) / step)."""
    for part in key:
        step = part.step or 1 if isinstance(part, slice) else 0
        if not isinstance(step, int) or step < 1:
            continue
        for n in shape:
            ends = [0 if part.start is None else part.start, n if part.stop is None else part.stop]
            start, stop = (e + n if isinstance(e, int) and e < 0 else e for e in ends)
            yield from sizes_in(-((start - stop) // step))


def _example(x: Any, values: Values) -> Any:
    """An operand with the sizes of a probe."""
    if hasattr(x, "shape"):
        return type(x)(evaluate(x.shape, values), x.dtype)
    return evaluate(x, values)
