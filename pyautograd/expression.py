"""Arithmetic by two stacks, operands and operators, that builds a graph instead of a number.

Dijkstra's shunting-yard method: a number goes on the operand stack; an operator first applies those
on the operator stack that bind more tightly, then goes there itself; a parenthesis waits there for
its partner. Operands are tensors, so one backward tells how the result changes with each of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pyautograd as ag
from pyautograd.tensor import Tensor

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    **{
        name: getattr(ag, name)
        for name in (
            "abs", "sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "asin", "acos",
            "atan", "sinh", "cosh", "tanh", "sigmoid", "relu",
        )
    },
    "max": ag.maximum,
    "min": ag.minimum,
}  # fmt: skip
_OF_TWO = ("max", "min")
CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}

_BINARY: dict[str, Callable[..., Tensor]] = {
    "+": ag.add,
    "-": ag.sub,
    "*": ag.mul,
    "/": ag.div,
    "^": ag.pow,
}
_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2, "minus": 3, "^": 4}
_SAME = {"**": "^", "×": "*", "·": "*", "÷": "/", "−": "-"}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)|(?P<sign>\*\*|[-+*/^(),×·÷−])|(?P<end>$))"
)
_SHOWN = 7  # items of a stack that a step remembers
_DIGITS = 6  # of each


class ExpressionError(ValueError):
    """What is wrong with an expression, and at which of its characters."""

    def __init__(self, message: str, text: str, place: int) -> None:
        super().__init__(message)
        self.text = text
        self.place = place


class Part:
    """A value on the way: a number as written, a variable, or what an operator made of others.

    label: as written, or the operator. tensor, value: the number. short: how steps show it.
    """

    __slots__ = ("label", "parts", "short", "tensor", "value")

    def __init__(self, label: str, tensor: Tensor, parts: tuple[Part, ...] = ()) -> None:
        self.label = label
        self.tensor = tensor
        self.parts = parts
        self.value = float(tensor.item())
        self.short = shown(self.value, _DIGITS)

    @property
    def gradient(self) -> float | None:
        """How the result changes with it; None before backward."""
        grad = self.tensor.grad
        return None if grad is None else float(grad.item())


class Step(NamedTuple):
    """One step: what was read, what happened, and the top of both stacks after it."""

    read: str
    action: str
    operands: tuple[str, ...]
    operators: tuple[str, ...]
    hidden: tuple[int, int]  # items further down in each stack


class Evaluation(NamedTuple):
    """The result, the numbers and variables it is made of, and how it came about."""

    result: Part
    leaves: list[Part]
    steps: list[Step]


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def evaluate(text: str, variables: Mapping[str, float] | None = None) -> Evaluation:
    """Evaluates an expression, in float64, and its gradients.

    It may have numbers, names of `variables`, pi and e, + - * / ^ (or **), minus signs,
    parentheses and calls of FUNCTIONS. Raises ExpressionError. What is not defined comes out as in
    floating-point arithmetic, infinite or NaN.

    >>> found = evaluate("(2*100 + 3*150) * 1.1")
    >>> round(found.result.value, 9)
    715.0
    >>> [(leaf.label, round(leaf.gradient, 9)) for leaf in found.leaves][:2]
    [('2', 110.0), ('100', 2.2)]
    """
    stacks = _Stacks(text, variables or {})
    for token in _tokens(text):
        stacks.read(token)
    (result,) = stacks.operands
    if result.tensor.requires_grad:
        result.tensor.backward(retain_graph=True)  # so that the graph can still be shown
    return Evaluation(result, stacks.leaves, stacks.steps)


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while True:
        found = _TOKEN.match(text, place)
        if found is None:
            at = place + len(text[place:]) - len(text[place:].lstrip())
            raise ExpressionError(f"cannot read {text[at]!r}", text, at)
        kind = str(found.lastgroup)
        yield _Token(kind, _SAME.get(found[kind], found[kind]), found.start(kind))
        if kind == "end":
            return
        place = found.end()


class _Stacks:
    """Operands, operators, and what is expected next."""

    def __init__(self, text: str, variables: Mapping[str, float]) -> None:
        self.text = text
        self.operands: list[Part] = []
        self.operators: list[_Token] = []
        self.leaves: list[Part] = []
        self.steps: list[Step] = []
        self._known = {**CONSTANTS, **variables}
        self._named: dict[str, Part] = {}
        self._arguments: list[int] = []  # of the parentheses that are open: arguments so far
        self._function: _Token | None = None  # whose parenthesis has to come next
        self._expects_operand = True

    def read(self, token: _Token) -> None:
        """Takes the next part of the expression."""
        if self._function is not None and token.text != "(":
            raise self._error(f"expected '(' after {self._function.text}", token)
        if self._expects_operand:
            self._read_operand(token)
        else:
            self._read_operator(token)

    def _read_operand(self, token: _Token) -> None:
        kind, sign, _ = token
        if kind == "number":
            self._push_leaf(token, Part(sign, _leaf(float(sign))), sign)
        elif kind == "name" and sign in self._known:
            part = self._named.get(sign)
            if part is None:
                part = self._named[sign] = Part(sign, _leaf(self._known[sign]))
                self.leaves.append(part)
            self.operands.append(part)
            self._expects_operand = False
            self._note(sign, f"push {sign} = {shown(part.value)}")
        elif kind == "name" and sign in FUNCTIONS:
            self._function = token
        elif kind == "name":
            raise self._error(f"unknown name {sign!r}; give it a value by --let {sign}=1", token)
        elif sign == "-":
            self.operators.append(_Token("prefix", "minus", token.place))
            self._note("-", "push minus")
        elif sign == "+":
            self._note("+", "a sign that changes nothing")
        elif sign == "(":
            if self._function is not None:
                self.operators.append(self._function)
                self._note(self._function.text, f"push {self._function.text}")
                self._function = None
            self.operators.append(token)
            self._arguments.append(1)
            self._note("(", "push (")
        else:
            raise self._error("expected a number, a name or '('", token)

    def _push_leaf(self, token: _Token, part: Part, read: str) -> None:
        self.leaves.append(part)
        self.operands.append(part)
        self._expects_operand = False
        self._note(read, f"push {shown(part.value)}")

    def _read_operator(self, token: _Token) -> None:
        kind, sign, _ = token
        if sign in _BINARY and kind == "sign":
            # Operators of one strength apply from the left, but powers from the right.
            self._apply(_BINDS[sign] + (sign == "^"), sign)
            self.operators.append(token)
            self._expects_operand = True
            self._note(sign, f"push {sign}")
        elif sign == ")":
            self._close(token)
        elif sign == ",":
            self._apply(1, ",")
            if len(self.operators) < 2 or self.operators[-2].text not in _OF_TWO:
                raise self._error("a comma separates the arguments of max and min only", token)
            self._arguments[-1] += 1
            self._expects_operand = True
            self._note(",", "the next argument")
        elif kind == "end":
            self._apply(1, "end")
            if self.operators:
                raise self._error("nothing closes this '('", self.operators[-1])
        else:
            raise self._error("expected an operator", token)

    def _close(self, token: _Token) -> None:
        self._apply(1, ")")
        if not self.operators:
            raise self._error("nothing opens this ')'", token)
        self.operators.pop()
        count = self._arguments.pop()
        self._note(")", "drop (")
        if self.operators and self.operators[-1].kind == "name":
            function = self.operators.pop()
            name = function.text
            wanted = 2 if name in _OF_TWO else 1
            if count != wanted:
                raise self._error(f"{name} takes {wanted} arguments, got {count}", function)
            self._replace(FUNCTIONS[name], wanted, name)
            self._note(")", self._told(f"{name}({{}})"))

    def _apply(self, least: int, read: str) -> None:
        """Applies operators on the stack that bind at least that tightly."""
        while self.operators and _BINDS.get(self.operators[-1].text, 0) >= least:
            sign = self.operators.pop().text
            if sign == "minus":
                self._replace(ag.neg, 1, "minus")
                self._note(read, self._told("-{}"))
            else:
                self._replace(_BINARY[sign], 2, sign)
                self._note(read, self._told(f"{{}} {sign} {{}}"))

    def _replace(self, function: Callable[..., Tensor], count: int, label: str) -> None:
        parts = tuple(self.operands[-count:])
        del self.operands[-count:]
        tensor = function(*[part.tensor for part in parts])
        tensor.retain_grad()
        self.operands.append(Part(label, tensor, parts))

    def _told(self, form: str) -> str:
        part = self.operands[-1]
        values = [x.short for x in part.parts]
        inside = ", ".join(values) if form.count("{}") < len(values) else None
        applied = form.format(inside) if inside else form.format(*values)
        return f"apply: {applied} = {shown(part.value)}"

    def _note(self, read: str, action: str) -> None:
        operands = tuple([x.short for x in self.operands[-_SHOWN:]])
        operators = tuple([x.text for x in self.operators[-_SHOWN:]])
        hidden = (len(self.operands) - len(operands), len(self.operators) - len(operators))
        self.steps.append(Step(read, action, operands, operators, hidden))

    def _error(self, message: str, token: _Token) -> ExpressionError:
        return ExpressionError(message, self.text, token.place)


def _leaf(value: float) -> Tensor:
    return ag.tensor(value, ag.float64, requires_grad=True)


def shown(value: float, digits: int = 10) -> str:
    """A number as people write it, with at most that many digits.

    >>> shown(715.0000000000001), shown(-0.5), shown(float("inf"))
    ('715', '-0.5', 'inf')
    """
    return f"{value:.{digits}g}"
