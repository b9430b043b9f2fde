"""Arithmetic by two stacks, operands and operators, that builds a graph instead of a number.

    python two_stack.py "(2*100 + 3*150) * 1.1"

Dijkstra's shunting-yard method: a number goes on the operand stack; an operator first applies
those on the operator stack that bind at least as tightly. Operands are tensors, so one backward
tells how the value changes with each number that was written.
"""

import re
import sys

import pyautograd as ag

BINARY = {"+": ag.add, "-": ag.sub, "*": ag.mul, "/": ag.div}
PRECEDENCE = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2, "minus": 3}
NUMBER = r"(?P<number>(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)"
TOKEN = re.compile(rf"{NUMBER}|(?P<sign>[-+*/()])|(?P<end>$)")
SPACE = re.compile(r"\s*")


class ExpressionError(ValueError):
    """Says what is wrong, with a caret under the place."""

    def __init__(self, message, text, place):
        super().__init__(f"{message}\n  {text}\n  {' ' * place}^")


def evaluate(text):
    """The value as a 0-d tensor, and the numbers as [(as written, leaf tensor), ...]."""
    operands, operators, numbers = [], [], []  # operators: (sign, its place)
    place, expects_operand = 0, True

    def apply_down_to(precedence):
        while operators and PRECEDENCE[operators[-1][0]] >= precedence:
            sign, _ = operators.pop()
            if sign == "minus":
                operands.append(-operands.pop())
            else:
                right, left = operands.pop(), operands.pop()
                operands.append(BINARY[sign](left, right))

    while True:
        place = SPACE.match(text, place).end()
        token = TOKEN.match(text, place)
        if token is None:
            raise ExpressionError(f"cannot read {text[place]!r}", text, place)
        number, sign = token["number"], token["sign"]
        if expects_operand:
            if number is not None:
                numbers.append((number, ag.tensor(float(number), ag.float64, requires_grad=True)))
                operands.append(numbers[-1][1])
                expects_operand = False
            elif sign in ("-", "("):
                operators.append(("minus" if sign == "-" else sign, place))
            else:
                raise ExpressionError("expected a number, '-' or '('", text, place)
        elif sign in BINARY:
            apply_down_to(PRECEDENCE[sign])
            operators.append((sign, place))
            expects_operand = True
        elif sign == ")":
            apply_down_to(1)
            if not operators:
                raise ExpressionError("nothing opens this ')'", text, place)
            operators.pop()
        elif token["end"] is not None:
            apply_down_to(1)
            if operators:
                raise ExpressionError("nothing closes this '('", text, operators[-1][1])
            return operands.pop(), numbers
        else:
            raise ExpressionError("expected an operator", text, place)
        place = token.end()


if __name__ == "__main__":
    try:
        value, numbers = evaluate(" ".join(sys.argv[1:] or ["(2*100 + 3*150) * 1.1"]))
    except ExpressionError as error:
        sys.exit(f"error: {error}")
    print(f"value {value.item():.12g}")
    if value.requires_grad:
        value.backward()
    for text, number in numbers:
        print(f"d value / d {text} = {number.grad.item():.12g}")
