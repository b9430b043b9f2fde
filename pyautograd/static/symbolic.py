"""Numbers that are not known yet: integers as sums of products, and floats computed from them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyautograd.graph import SymbolicNumber

# A size is a sum of products: {(atom, ...): factor}. An atom is the name of an unknown, or
# (operation, terms, terms) for a quotient or remainder that does not come out even.
Terms = dict[tuple[Any, ...], int]
Values = dict[str, int]

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "//": operator.floordiv, "%": operator.mod, "**": operator.pow,
}  # fmt: skip


def _compared(name: str) -> Any:
    def compare(self: Any, other: Any) -> Any:
        if not isinstance(other, (int, float, np.integer, np.floating, _Number)):
            return NotImplemented
        return self.sizes.ask(name, self, other)

    return compare


def _computed(name: str, swap: bool = False) -> Any:
    def compute(self: Any, other: Any) -> Any:
        if not isinstance(other, (int, float, np.integer, np.floating, _Number)):
            return NotImplemented
        other = other.item() if isinstance(other, np.generic) else other
        a, b = (other, self) if swap else (self, other)
        terms = terms_of(name, a, b)
        return Ratio(self.sizes, name, (a, b)) if terms is None else size_of(self.sizes, terms)

    return compute


class _Number(SymbolicNumber):
    """What sizes, and numbers computed from them, share: Python asks `sizes` what they are."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # equality may be a question

    def __bool__(self) -> bool:
        return self.sizes.ask("!=", self, 0)

    def __int__(self) -> int:
        return int(self.sizes.value(self))

    def __float__(self) -> float:
        return float(self.sizes.value(self))

    def __trunc__(self) -> int:
        return int(self.sizes.value(self))

    def __floor__(self) -> Any:
        return self // 1

    def __ceil__(self) -> Any:
        return -1 * (-1 * self // 1)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.sizes.value(self), digits)

    __eq__, __ne__ = _compared("=="), _compared("!=")
    __lt__, __le__ = _compared("<"), _compared("<=")
    __gt__, __ge__ = _compared(">"), _compared(">=")
    __add__, __radd__ = _computed("+"), _computed("+", swap=True)
    __sub__, __rsub__ = _computed("-"), _computed("-", swap=True)
    __mul__, __rmul__ = _computed("*"), _computed("*", swap=True)
    __truediv__, __rtruediv__ = _computed("/"), _computed("/", swap=True)
    __floordiv__, __rfloordiv__ = _computed("//"), _computed("//", swap=True)
    __mod__, __rmod__ = _computed("%"), _computed("%", swap=True)
    __pow__, __rpow__ = _computed("**"), _computed("**", swap=True)


class Size(_Number):
    """An integer that is not known yet."""

    __slots__ = ("_terms", "sizes")

    def __init__(self, sizes: Any, terms: Terms) -> None:
        self.sizes = sizes
        self._terms = terms

    @property
    def terms(self) -> Terms:
        """The sum, with unknowns that have been made equal to others replaced."""
        return self.sizes.resolved(self._terms)

    def __index__(self) -> int:
        return int(self.sizes.value(self))

    def __neg__(self) -> Any:
        return self * -1

    def __repr__(self) -> str:
        return _text(self.terms)


class Ratio(_Number):
    """A float (or integer power) computed from sizes, such as 1 / N."""

    __slots__ = ("args", "name", "sizes")

    def __init__(self, sizes: Any, name: str, args: tuple[Any, Any]) -> None:
        self.sizes = sizes
        self.name = name
        self.args = args

    def __neg__(self) -> Any:
        return self * -1.0

    def __repr__(self) -> str:
        a, b = (
            f"({x!r})" if isinstance(x, Size) and len(x.terms) > 1 else repr(x) for x in self.args
        )
        return f"({a} {self.name} {b})"


# ---- arithmetic ----------------------------------------------------------------------------------


def size_of(sizes: Any, terms: Terms) -> Any:
    """The size of these terms; a plain integer where nothing in them is unknown."""
    terms = {atoms: factor for atoms, factor in terms.items() if factor}
    return Size(sizes, terms) if any(terms) else terms.get((), 0)


def _lifted(x: Any) -> Terms | None:
    if isinstance(x, Size):
        return x.terms
    return {(): x} if isinstance(x, int) else None


def terms_of(name: str, a: Any, b: Any) -> Terms | None:
    """The terms of an integer result; None where it is a float."""
    x, y = _lifted(a), _lifted(b)
    if x is None or y is None:
        return None
    if name == "*":
        return product(x, y)
    if name in "+-":
        sign = 1 if name == "+" else -1
        found = dict(x)
        for atoms, factor in y.items():
            found[atoms] = found.get(atoms, 0) + sign * factor
        return found
    if name in ("//", "%"):
        even = _even_quotient(x, y)
        if even is not None:
            return even if name == "//" else {}
        return {((name, frozen(x), frozen(y)),): 1}
    if name == "**" and list(y) == [()] and 0 <= y[()] <= 16:
        found = {(): 1}
        for _ in range(y[()]):
            found = product(found, x)
        return found
    return None


def product(x: Terms, y: Terms) -> Terms:
    found: Terms = {}
    for atoms, factor in x.items():
        for others, again in y.items():
            both = tuple(sorted((*atoms, *others), key=repr))
            found[both] = found.get(both, 0) + factor * again
    return found


def _even_quotient(x: Terms, y: Terms) -> Terms | None:
    """x / y where y is one product that divides every term of x."""
    if len(y) != 1:
        return {(): 1} if x == y else None
    ((atoms, factor),) = y.items()
    found: Terms = {}
    for term, k in x.items():
        rest = list(term)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if not factor or k % factor:
            return None
        found[tuple(rest)] = k // factor
    return found


def frozen(terms: Terms) -> tuple[Any, ...]:
    """The terms as an atom holds them."""
    return tuple(sorted(terms.items(), key=repr))


def identity(x: Any) -> Any:
    """What two numbers have in common if they are computed alike."""
    if isinstance(x, Size):
        return frozen(x.terms)
    return (x.name, *map(identity, x.args)) if isinstance(x, Ratio) else x


def atoms_in(terms: Any) -> Iterator[str]:
    """The unknowns in terms, or in frozen terms."""
    for atoms, _ in terms.items() if isinstance(terms, dict) else terms:
        for atom in atoms:
            if isinstance(atom, str):
                yield atom
            else:
                yield from atoms_in(atom[1])
                yield from atoms_in(atom[2])


def told(name: str) -> str:
    """The name of an unknown for people: without what tells it from others of that name."""
    return name.partition("#")[0]


def _factor(terms: Any) -> str:
    return f"({_text(terms)})" if len(terms) > 1 else _text(terms)


def _text(terms: Any) -> str:
    parts = []
    for atoms, factor in sorted(dict(terms).items(), key=lambda t: (not t[0], repr(t))):
        names = [
            told(a) if isinstance(a, str) else f"({_factor(a[1])} {a[0]} {_factor(a[2])})"
            for a in atoms
        ]
        if factor != 1 or not names:
            names.insert(0, str(factor))
        parts.append("*".join(names))
    return " + ".join(parts).replace("+ -", "- ") or "0"


# ---- values --------------------------------------------------------------------------------------


def _sum(terms: Any, values: Values) -> int:
    total = 0
    for atoms, factor in terms.items() if isinstance(terms, dict) else terms:
        for atom in atoms:
            if isinstance(atom, str):
                factor *= values[atom]
            else:
                name, x, y = atom
                factor *= _ARITHMETIC[name](_sum(x, values), _sum(y, values))
        total += factor
    return total


def evaluate(x: Any, values: Values) -> Any:
    """x with every size in it replaced by what it comes to."""
    if isinstance(x, Size):
        return _sum(x.terms, values)
    if isinstance(x, Ratio):
        return _ARITHMETIC[x.name](*[evaluate(y, values) for y in x.args])
    if isinstance(x, (tuple, list)):
        items = [evaluate(y, values) for y in x]
        return type(x)._make(items) if hasattr(x, "_make") else type(x)(items)
    if isinstance(x, slice):
        return slice(*[evaluate(y, values) for y in (x.start, x.stop, x.step)])
    return x


def sizes_in(x: Any) -> Iterator[Size]:
    """The sizes in a shape or an attribute."""
    if isinstance(x, Size):
        yield x
    elif isinstance(x, (tuple, list)):
        for y in x:
            yield from sizes_in(y)
    elif isinstance(x, Ratio):
        yield from sizes_in(x.args)
    elif isinstance(x, slice):
        yield from sizes_in((x.start, x.stop, x.step))
