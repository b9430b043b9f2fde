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

A graph is made concrete for each choice of sizes (static/template.py), where the shape rules of the
ops have the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyautograd.graph import GraphError
from pyautograd.origin import users_line
from pyautograd.static.symbolic import COMPARE, Size, Terms, Values, evaluate, identity, terms_of


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
        self.guards: dict[Any, Guard] = {}
        self.asking = True  # else questions leave no guard

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
        if self.asking:  # a shape rule that only tries itself on sizes leaves no guard
            self._note(Guard(name, a, b, answer))
        return answer

    def _note(self, guard: Guard) -> None:
        self.guards.setdefault((identity(guard.a), guard.name, identity(guard.b)), guard)

    def _certain(self, name: str, a: Any, b: Any) -> bool | None:
        """The answer, where it is the same for all sizes of at least `least`."""
        difference = terms_of("-", a, b)
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

    # ---- what graphs of placeholders do otherwise ------------------------------------------------

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """A call of a function that makes tensors of these sizes."""
        return function(*args)

    def made_equal(self, operands: list[Any]) -> Iterator[None]:
        """After each step other sizes of the operands are equal; at the end all is as before."""
        return iter(())

    def explained(self, error: Exception, operands: list[Any], attrs: Any) -> Exception:
        """An error of an op's shape rule, in sizes."""
        return error
