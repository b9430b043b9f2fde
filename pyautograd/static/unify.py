"""Unknown sizes of placeholders: what must be equal becomes equal, or is an error.

A size without a name (None in a placeholder's shape) may turn out to be another one, or an integer:
then it is replaced by that everywhere. Named sizes are what they are.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pyautograd.graph import GraphError
from pyautograd.modes import tracer
from pyautograd.origin import users_line
from pyautograd.static.sizes import Sizes
from pyautograd.static.symbolic import (
    Size,
    Terms,
    Values,
    atoms_in,
    evaluate,
    frozen,
    identity,
    product,
    size_of,
    terms_of,
)

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_HERE = {__file__, *[sys.modules[kind.__module__].__file__ for kind in (Sizes, Size)]}
# Where sizes are compared because they have to be equal: anything else is an error there. Elsewhere
# the question is which way to go (whether to broadcast, say), and sizes that may differ do.
_CHECKS = {
    os.path.join(*path.split("/"))
    for path in (
        "ops/attention.py", "ops/loss.py", "ops/matmul.py", "ops/norm.py", "ops/shape.py",
        "nn/norm.py", "nn/recurrent.py",
    )
}  # fmt: skip
MOST_AT_ONCE, MOST_TRIES = 3, 200  # sizes of one call that are made equal


class OpenSizes(Sizes):
    """The unknown sizes of a graph of placeholders: integers of at least 1.

    A size that is not known does not count as 1: it does not broadcast, and squeeze() keeps it.
    """

    def __init__(self) -> None:
        super().__init__(least=1)
        self.bound: dict[str, Terms] = {}  # what unnamed sizes turned out to be
        self._free: set[str] = set()
        self._added: list[tuple[str, bool, bool]] = []
        self.build: Callable[[], Any] = lambda: None  # the graph of placeholders that has them

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        build = self.build()
        return (
            function(*args) if build is None or tracer() is not None else build.run(function, *args)
        )

    def add(self, name: str, named: bool, first: bool) -> Size:
        """A new size. `first`: of dimension 0, likely a batch, so that examples are small."""
        k = len(self.now)
        probes = (
            (5 + 2 * k, 8 + 3 * k, 13 + 5 * k) if first else (67 + 4 * k, 80 + 6 * k, 97 + 10 * k)
        )
        if not named:
            self._free.add(name)
        self._added.append((name, named, first))
        return self.unknown(name, probes[0], probes)

    def described(self) -> list[tuple[str, bool, bool]]:
        """The sizes that are still open, as `add` takes them."""
        return [entry for entry in self._added if entry[0] not in self.bound]

    def resolved(self, terms: Terms) -> Terms:
        if not self.bound or self.bound.keys().isdisjoint(atoms_in(terms)):
            return terms
        found: Terms = {}
        for atoms, factor in terms.items():
            part: Terms = {(): factor}
            for atom in atoms:
                part = product(part, self._atom(atom))
            for key, value in part.items():
                found[key] = found.get(key, 0) + value
        return {key: value for key, value in found.items() if value}

    def _atom(self, atom: Any) -> Terms:
        if isinstance(atom, str):
            return self.resolved(self.bound[atom]) if atom in self.bound else {(atom,): 1}
        name, x, y = atom
        a, b = (size_of(self, self.resolved(dict(t))) for t in (x, y))
        terms = terms_of(name, a, b)
        assert terms is not None
        return terms

    # ---- questions -------------------------------------------------------------------------------

    def _answer(self, name: str, a: Any, b: Any) -> bool:
        if not self.asking:
            return super()._answer(name, a, b)
        asker = _asker()
        if not asker.startswith(_PACKAGE):
            raise GraphError(
                f"whether {a!r} {name} {b!r} is not known while a graph is built, but Python asks "
                f"for it at {users_line()}"
            )
        if name not in ("==", "!=") or (isinstance(b, int) and b == 0):
            return super()._answer(name, a, b)
        equal = asker[len(_PACKAGE) :] in _CHECKS and self.make_equal(a, b)
        return equal is (name == "==")

    def make_equal(self, a: Any, b: Any) -> bool:
        """Whether two sizes are equal, or could be made so: an unnamed size is replaced."""
        difference = terms_of("-", a, b)
        if difference is None:  # not integers
            return super()._answer("==", a, b)
        difference = {atoms: factor for atoms, factor in difference.items() if factor}
        if difference in ({}, {(): 0}):
            return True
        for name in reversed(self.now):  # the latest is replaced
            factor = difference.get((name,), 0)
            if name not in self._free or abs(factor) != 1:
                continue
            rest = {k: -v * factor for k, v in difference.items() if k != (name,)}
            if name in atoms_in(rest) or self._range(rest)[0] < (1 if any(rest) else 2):
                continue
            self.bound[name] = rest
            return True
        return False

    # ---- shape rules -----------------------------------------------------------------------------

    def made_equal(self, operands: list[Any]) -> Iterator[None]:
        before = dict(self.bound)
        for pairs in self._candidates(operands):
            self.bound = dict(before)
            if all(map(self.make_equal, *zip(*pairs, strict=True))):
                yield
        self.bound = before

    def explained(self, error: Exception, operands: list[Any], attrs: Any) -> Exception:
        return type(error)(self._in_sizes(str(error), operands, attrs))

    def _candidates(self, operands: list[Any]) -> Iterator[tuple[tuple[Any, Any], ...]]:
        shapes = [getattr(x, "shape", ()) for x in operands]
        pairs: dict[Any, tuple[Any, Any]] = {}
        for one, other in itertools.combinations(shapes, 2):
            for a, b in itertools.product(one, other):
                if isinstance(a, Size) or isinstance(b, Size):
                    pairs.setdefault((identity(a), identity(b)), (a, b))
        chosen = itertools.chain.from_iterable(
            itertools.combinations(pairs.values(), n) for n in range(1, MOST_AT_ONCE + 1)
        )
        return itertools.islice(chosen, MOST_TRIES)

    def _in_sizes(self, message: str, operands: list[Any], attrs: Any) -> str:
        """The message with shapes and sizes as they are, in place of the example's."""
        shapes = [getattr(x, "shape", ()) for x in operands]
        for shape in shapes:
            if any(isinstance(n, Size) for n in shape):
                message = message.replace(str(evaluate(shape, self.now)), str(shape))
        known = set(_integers([shapes, attrs]))
        for size in [n for shape in shapes for n in shape if isinstance(n, Size)]:
            n = evaluate(size, self.now)
            if n not in known:
                message = re.sub(rf"\b{n}\b", repr(size), message)
        return message

    # ---- feeding ---------------------------------------------------------------------------------

    def read(self, shape: tuple[Any, ...], given: tuple[int, ...], values: Values) -> bool:
        """Takes the values of unknowns from the shape of an array; whether it fits."""
        if len(shape) != len(given):
            return False
        for size, n in zip(shape, given, strict=True):
            if not isinstance(size, Size):
                if size != n:
                    return False
                continue
            terms = frozen(size.terms)
            if len(terms) == 1 and terms[0][1] == 1 and len(terms[0][0]) == 1:
                atom = terms[0][0][0]
                if isinstance(atom, str):
                    if values.setdefault(atom, n) != n:
                        return False
                    continue
            if any(name not in values for name in atoms_in(size.terms)):
                continue  # read later, from another input
            if evaluate(size, values) != n:
                return False
        return True


def _integers(x: Any) -> Iterator[int]:
    """The integers in shapes and attributes: what a message means by such a number."""
    if isinstance(x, int):
        yield x
    elif isinstance(x, slice):
        yield from _integers((x.start, x.stop, x.step))
    elif isinstance(x, (tuple, list)):
        for y in x:
            yield from _integers(y)


def _asker() -> str:
    """The file of the code that compares."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename in _HERE:
        frame = frame.f_back
    return frame.f_code.co_filename
