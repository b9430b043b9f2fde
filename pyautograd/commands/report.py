"""What `pyautograd explain` prints: the steps, the graph, and the gradients."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from pyautograd.expression import Evaluation, ExpressionError, Part, Step, shown
from pyautograd.terminal import table_of

_MOST = 40  # lines of a part of the report, unless all are asked for
_DEEPEST = 12  # levels of the graph
_MOST_IN_TABLE = 2000  # rows, for rich takes a millisecond for each


def print_report(console: Console, text: str, found: Evaluation, everything: bool) -> None:
    """Prints an evaluation; long parts are cut unless `everything`."""
    most, deepest = _MOST, _DEEPEST
    if everything:  # what is deeper would be out of sight on the right
        most, deepest = 10**9, max(_DEEPEST, (console.width - 24) // 3)
    one_line = " ".join(text.split())
    room = 3 * console.width
    console.print(one_line if len(one_line) <= room else one_line[: room - 1] + "…",
                  style="bold", markup=False, highlight=False)  # fmt: skip
    console.print()
    if min(len(found.steps), most) > _MOST_IN_TABLE:
        _print_steps(console, found.steps)
    else:
        console.print(_steps(found.steps, most))
    _heading(console, "The graph, with values and gradients")
    lines = list(islice(_tree(found.result, deepest), most + 1))
    for line in lines[:most]:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    if len(lines) > most:
        console.print("…", style="dim")
    _heading(console, f"The result is {shown(found.result.value)}; it changes with")
    if min(len(found.leaves), most) > _MOST_IN_TABLE:
        _print_gradients(console, found.leaves)
    else:
        console.print(_gradients(found.leaves, most))
    if max(len(found.steps), len(found.leaves), len(lines)) > most:
        console.print("\nCut short: --all shows everything.", style="dim")


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold", highlight=False)
    console.print()


def _ends(count: int, most: int) -> tuple[range, range]:
    """Which of so many lines to show: all, or those at both ends."""
    if count <= most:
        return range(count), range(0)
    return range(most // 2), range(count - most // 2, count)


def _steps(steps: list[Step], most: int) -> Any:
    table = table_of("step>", "read", "what happens", "operands", "operators")
    first, last = _ends(len(steps), most)
    for i in first:
        _add_step(table, i, steps[i])
    if last:
        table.add_row("…", "", f"{last[0] - len(first):,} more steps", "", "", style="dim")
    for i in last:
        _add_step(table, i, steps[i])
    return table


def _add_step(table: Any, i: int, step: Step) -> None:
    applies = step.action.startswith("apply")
    operands, operators = _stacks(step)
    action = Text(step.action, style="green" if applies else "")
    table.add_row(f"{i + 1:,}", Text(step.read), action, Text(operands), Text(operators))


def _stacks(step: Step) -> list[str]:
    return [
        " ".join(["…", *items] if hidden else items)
        for items, hidden in zip((step.operands, step.operators), step.hidden, strict=True)
    ]


def _print_steps(console: Console, steps: list[Step]) -> None:
    """Without a table, which would take too long."""
    for i, step in enumerate(steps):
        operands, operators = _stacks(step)
        line = f"{i + 1:>7,}  {step.read:<8}  {step.action:<36}  {operands:<40}  {operators}"
        console.file.write(line.rstrip() + "\n")


def _print_gradients(console: Console, leaves: list[Part]) -> None:
    for leaf in leaves:
        gradient = "" if leaf.gradient is None else shown(leaf.gradient)
        console.file.write(f"{leaf.label:<16}  {shown(leaf.value):>16}  {gradient:>16}\n")


def _tree(root: Part, deepest: int) -> Iterator[Text]:
    """A line a value, what it is made of below it."""
    stack: list[tuple[Part, str, str, int]] = [(root, "", "", 0)]
    while stack:
        part, before, below, depth = stack.pop()
        value = shown(part.value)
        line = Text()
        line.append(before, style="dim")
        line.append(part.label, style="bold cyan" if part.parts else "")
        if part.label != value:
            line.append(f" = {value}", style="default")
        if part.gradient is not None:
            line.append(f"   gradient {shown(part.gradient)}", style="default dim")
        yield line
        if part.parts and depth >= deepest:
            yield Text(f"{below}╰─ …", style="dim")
            continue
        for i, child in reversed(list(enumerate(part.parts))):
            last = i == len(part.parts) - 1
            stack.append((child, below + ("╰─ " if last else "├─ "),
                          below + ("   " if last else "│  "), depth + 1))  # fmt: skip


def _gradients(leaves: list[Part], most: int) -> Any:
    table = table_of("number", "value>", "d result / d number>")
    first, last = _ends(len(leaves), most)
    for i in (*first, -1, *last):
        if i >= 0:
            leaf = leaves[i]
            gradient = "" if leaf.gradient is None else shown(leaf.gradient)
            table.add_row(Text(leaf.label), shown(leaf.value), gradient)
        elif last:
            table.add_row("…", "", f"{last[0] - len(first):,} more", style="dim")
    return table


def pointed(error: ExpressionError, width: int) -> str:
    """What is wrong, with a caret under the place in the expression."""
    text = "".join([" " if c.isspace() or not c.isprintable() else c for c in error.text])
    place, room = error.place, max(20, width - 8)
    begin = max(0, min(place - room // 2, len(text) - room))
    part = ("…" if begin else "") + text[begin : begin + room]
    part += "…" if begin + room < len(text) else ""
    at = cell_len(("…" if begin else "") + text[begin:place])
    return f"pyautograd: column {place + 1}: {error}\n  {part}\n  {set_cell_size('', at)}^"
