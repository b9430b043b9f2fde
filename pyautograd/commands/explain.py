"""The command `explain`."""

from __future__ import annotations

import contextlib
import re
import sys

import typer
from rich.console import Console

import pyautograd as ag
from pyautograd.commands.report import pointed, print_report
from pyautograd.expression import CONSTANTS, FUNCTIONS, ExpressionError, Part, evaluate
from pyautograd.tensor import Tensor

_NAME = re.compile(r"[^\W\d]\w*")
_STARTS_WITH_MINUS = re.compile(r"-{3,}|--?[^-\w]|-[^-h]|--?\d|-h.")


def protected(arguments: list[str]) -> list[str]:
    """The command's arguments with expressions that begin with a minus told from options."""
    return [f" {a}" if _STARTS_WITH_MINUS.match(a) else a for a in arguments]


def explain(
    expression: list[str] = typer.Argument(
        ..., metavar="EXPRESSION", help="In quotes, as * means something to the shell."
    ),
    let: list[str] = typer.Option(
        [], metavar="NAME=NUMBER", show_default=False, help="The value of a name; may be repeated."
    ),
    html: str = typer.Option(
        "", metavar="FILE", show_default=False, help="Also write a page that steps through it."
    ),
    all: bool = typer.Option(
        False, "--all", help="Show every step and the whole graph, however many there are."
    ),
) -> int:
    """Evaluate an expression by two stacks, step by step.

    With its graph, and how the result changes with each number. An expression has numbers, names,
    + - * / ^, parentheses, and the functions listed below.

    pyautograd explain "(2*100 + 3*150) * 1.1"

    pyautograd explain "sin(x)^2 + 3*x" --let x=0.5
    """
    text = " ".join(expression).strip()
    variables = dict(map(_variable, let))
    try:
        with ag.viz.record() if html else contextlib.nullcontext():
            found = evaluate(text, variables)
    except ExpressionError as error:
        print(pointed(error, Console(stderr=True).width), file=sys.stderr)
        return 2
    print_report(Console(), text, found, all)
    if html:
        ag.viz.page(
            found.result.tensor, html, title=_title(text), names=_names(found.result, found.leaves)
        )
        print(f"\n{html} steps through it in a browser.")
    return 0


explain.__doc__ = f"{explain.__doc__}\n    Functions: {', '.join(FUNCTIONS)}. Names: pi, e.\n"


def _title(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"


def _names(result: Part, leaves: list[Part]) -> dict[str, Tensor]:
    """The tensors of numbers and variables by what was written; equal ones are counted."""
    names: dict[str, Tensor] = {"result": result.tensor}
    for leaf in leaves:
        name, count = leaf.label, 1
        while name in names:
            count += 1
            name = f"{leaf.label} ({count})"
        names[name] = leaf.tensor
    return names


def _variable(text: str) -> tuple[str, float]:
    name, equals, number = text.partition("=")
    name = name.strip()
    if not equals or not _NAME.fullmatch(name):
        raise typer.BadParameter(f"--let: expected NAME=NUMBER, as in x=3, got {text!r}")
    if name in FUNCTIONS or name in CONSTANTS:
        raise typer.BadParameter(f"--let: {name} has a meaning already")
    try:
        return name, float(number)
    except ValueError:
        raise typer.BadParameter(f"--let: {number!r} is no number") from None
