"""Sizes that are not known while a graph is built: numbers that remember how they came about.

A `Size` stands in shapes where the integer is not known (a batch, the None of a placeholder). It is
no `int`, on purpose: arithmetic gives further sizes, and whatever needs the integer itself (range,
NumPy, a kernel) has to ask for it through `__index__`, comparisons through `__eq__` and so on. So
nothing that a program does with a size goes unnoticed. `Sizes`, which holds them, answers:

- comparisons, for `compile(dynamic_batch=True)`, with the size of this call; the answer becomes a
  `Guard`, and the graph serves other sizes only where all guards give the same answers;
- comparisons, for placeholders, with an error, or, where an op asks whether two sizes are equal, by
  making them equal (static/unify.py);
- the question for the integer itself always with an error.

Shape rules stay as they are: they are run on a few examples of the sizes ("probes"), and what comes
out is found again among the sizes that went in, or by the rule itself, run on sizes. A graph is
made concrete for each choice of sizes (static/template.py), where the rules have the last word.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyautograd.graph import GraphError, SymbolicNumber
from pyautograd.origin import users_line

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
        return -(-self // 1)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.sizes.value(self), digits)


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
        terms = _terms_of(name, a, b)
        return Ratio(self.sizes, name, (a, b)) if terms is None else _size(self.sizes, terms)

    return compute


for _name, _word in (("==", "eq"), ("!=", "ne"), ("<", "lt"), ("<=", "le"), (">", "gt"),
                     (">=", "ge")):  # fmt: skip
    setattr(_Number, f"__{_word}__", _compared(_name))
for _name, _word in (("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "truediv"),
                     ("//", "floordiv"), ("%", "mod"), ("**", "pow")):  # fmt: skip
    setattr(_Number, f"__{_word}__", _computed(_name))
    setattr(_Number, f"__r{_word}__", _computed(_name, swap=True))


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


def _size(sizes: Any, terms: Terms) -> Any:
    """The size of these terms; a plain integer where nothing in them is unknown."""
    terms = {atoms: factor for atoms, factor in terms.items() if factor}
    return Size(sizes, terms) if any(terms) else terms.get((), 0)


def _lifted(x: Any) -> Terms | None:
    if isinstance(x, Size):
        return x.terms
    return {(): x} if isinstance(x, int) else None


def _terms_of(name: str, a: Any, b: Any) -> Terms | None:
    """The terms of an integer result; None where it is a float."""
    x, y = _lifted(a), _lifted(b)
    if x is None or y is None:
        return None
    if name == "*":
        return _product(x, y)
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
            found = _product(found, x)
        return found
    return None


def _product(x: Terms, y: Terms) -> Terms:
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


def atoms_in(terms: Any) -> Iterator[str]:
    """The unknowns in terms, or in frozen terms."""
    for atoms, _ in terms.items() if isinstance(terms, dict) else terms:
        for atom in atoms:
            if isinstance(atom, str):
                yield atom
            else:
                yield from atoms_in(atom[1])
                yield from atoms_in(atom[2])


def _factor(terms: Any) -> str:
    return f"({_text(terms)})" if len(terms) > 1 else _text(terms)


def _text(terms: Any) -> str:
    parts = []
    for atoms, factor in sorted(dict(terms).items(), key=lambda t: (not t[0], repr(t))):
        names = [
            a if isinstance(a, str) else f"({_factor(a[1])} {a[0]} {_factor(a[2])})" for a in atoms
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


# ---- questions -----------------------------------------------------------------------------------


class Guard:
    """An answer that a graph was built on."""

    def __init__(self, name: str, a: Any, b: Any, answer: bool) -> None:
        self.name, self.a, self.b, self.answer = name, a, b, answer
        self.where = users_line()

    def holds(self, values: Values) -> bool:
        try:
            a, b = evaluate(self.a, values), evaluate(self.b, values)
            return COMPARE[self.name](a, b) is self.answer
        except ArithmeticError:
            return False

    def __str__(self) -> str:
        text = f"{self.a!r} {self.name} {self.b!r}"
        return f"{text if self.answer else f'not {text}'}, at {self.where}"


class Sizes:
    """The unknown sizes of a graph; questions about them are answered for this call's, and noted.

    Every unknown is at least `least`.
    """

    def __init__(self, least: int) -> None:
        self.least = least
        self.now: Values = {}  # for which questions are answered
        self.probes: list[Values] = [{}, {}, {}]  # for which shape rules are run
        self.guards: dict[str, Guard] = {}
        self._asking = True

    def unknown(self, name: str, now: int, probes: tuple[int, int, int]) -> Size:
        self.now[name] = now
        for values, probe in zip(self.probes, probes, strict=True):
            values[name] = probe
        return Size(self, {(name,): 1})

    def resolved(self, terms: Terms) -> Terms:
        return terms

    def ask(self, name: str, a: Any, b: Any) -> bool:
        """Whether a comparison holds."""
        certain = self._certain(name, a, b)
        return self._answer(name, a, b) if certain is None else certain

    def value(self, x: Any) -> Any:
        """The number itself, which nobody knows."""
        raise GraphError(
            f"the size {x!r} is not known while a graph is built, but Python needs the number at "
            f"{users_line()}"
        )

    def hold(self, values: Values) -> bool:
        """Whether the graph would have been built the same for other sizes."""
        return min(values.values(), default=self.least) >= self.least and not self.broken(values)

    def broken(self, values: Values) -> list[Guard]:
        """The answers that are others for these sizes."""
        return [guard for guard in self.guards.values() if not guard.holds(values)]

    def _answer(self, name: str, a: Any, b: Any) -> bool:
        answer = COMPARE[name](evaluate(a, self.now), evaluate(b, self.now))
        if self._asking:  # a shape rule that only tries itself on sizes leaves no guard
            self._note(Guard(name, a, b, answer))
        return answer

    def _note(self, guard: Guard) -> None:
        self.guards.setdefault(f"{guard.a!r} {guard.name} {guard.b!r}", guard)

    def _certain(self, name: str, a: Any, b: Any) -> bool | None:
        """The answer, where it is the same for all sizes of at least `least`."""
        difference = _terms_of("-", a, b)
        if difference is None:
            return None
        low, high = self._range({k: v for k, v in difference.items() if v})
        if name in ("==", "!="):
            differs = low > 0 or high < 0
            return (name == "!=") if differs else (name == "==") if low == high == 0 else None
        at_least, at_most = COMPARE[name](low, 0), COMPARE[name](high, 0)
        return at_least if at_least == at_most else None

    def _range(self, terms: Terms) -> tuple[float, float]:
        low = high = float(terms.get((), 0))
        for atoms, factor in terms.items():
            if atoms:
                plain = all(isinstance(a, str) for a in atoms)
                bound = factor * self.least ** len(atoms) if plain else -np.inf * abs(factor)
                if not plain:
                    low, high = -np.inf, np.inf
                elif factor > 0:
                    low, high = low + bound, np.inf
                else:
                    low, high = -np.inf, high + bound
        return low, high

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """A call of a function that makes tensors of these sizes."""
        return function(*args)

    # ---- shape rules -----------------------------------------------------------------------------

    def layouts(
        self, op: Any, operands: list[Any], attrs: tuple[Any, ...], rule: Callable[..., Any]
    ) -> list[tuple[Any, Any]]:
        """What `rule(op, operands, attrs)` gives, (shape, dtype) of each output, in sizes.

        A rule may have several pieces (x[:32] of 10 rows, of 100): if the small probes do not lead
        to what it gives for the sizes of now, ones about those do.
        """
        try:
            found = _Fit(self, self.probes, op, operands, attrs).layouts(rule)
            args = [_example(x, self.now) for x in operands]
            first = op.infer(*([args] if op.inputs < 0 else args), *evaluate(attrs, self.now))[0]
            if evaluate(found[0][0], self.now) == tuple(first):
                return found
        except (ValueError, IndexError, ArithmeticError):
            pass
        near = [{name: n + more for name, n in self.now.items()} for more in (0, 1, 5)]
        return _Fit(self, near, op, operands, attrs).layouts(rule)

    def inferred(self, op: Any, operands: Any, attrs: Any) -> Any:
        """The op's shape rule run on sizes; () where it needs integers."""
        self._asking = False
        try:
            return op.infer(*([list(operands)] if op.inputs < 0 else operands), *attrs)[0]
        except (GraphError, TypeError, ValueError):
            return ()
        finally:
            self._asking = True


class _Fit:
    """Finds what the sizes of a call's results are, from examples."""

    def __init__(
        self, sizes: Sizes, probes: list[Values], op: Any, operands: Any, attrs: Any
    ) -> None:
        self.probes = probes
        self.call = op, operands, attrs
        self.given = list(sizes_in([getattr(x, "shape", x) for x in operands] + [attrs]))
        if op.name == "slice":
            self.given += _lengths(attrs[0], operands[0].shape)
        self._inferred = functools.partial(sizes.inferred, op, operands, attrs)

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
