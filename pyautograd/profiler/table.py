"""Profiles as tables of text, by rich."""

from __future__ import annotations

import shutil
from typing import Any

from pyautograd.profiler.averages import ModuleRow, Row, function_rows
from pyautograd.profiler.limits import machine_limits
from pyautograd.terminal import rendered, table_of, units

_NARROW = 116  # columns of a terminal below which a table leaves some of its own out


def summary(
    profile: Any, rows: list[Row], by: str | None, limit: int | None, width: int | None
) -> str:
    """A line on the whole, and the tables."""
    width = width or shutil.get_terminal_size().columns
    whole = round(profile.seconds * 1e9)
    limits = machine_limits()
    parts = [
        f"{whole / 1e6:,.1f} ms, at most {units(profile.memory_peak, 'B')} of large arrays\n"
        f"limits of {limits.threads} threads: {units(limits.flops[4])}FLOP/s, "
        f"{units(limits.bandwidth, 'B')}/s in memory"
    ]
    if by != "module":
        parts.append(op_table(rows, whole, limit, width))
    modules = profile.modules() if by != "op" else []
    if modules:
        parts.append(module_table(modules, whole, width))
    elif by == "module":
        parts.append("no module was called")
    functions = function_rows(profile.events) if by is None else []
    if functions:
        parts.append(function_table(functions, whole, width))
    return "\n\n".join(parts)


def op_table(rows: list[Row], whole: int, limit: int | None, width: int | None) -> str:
    """The rows, each with its share of `whole` nanoseconds; those past `limit` as one."""
    width = width or shutil.get_terminal_size().columns
    wide = width >= _NARROW
    table = table_of(
        "op", "phase", "calls>", "self ms>", "self %>",
        *(["total ms>", "mean us>"] if wide else []),
        "FLOPs>", *(["bytes>"] if wide else []), "of limit>", *(["peak>"] if wide else []),
    )  # fmt: skip
    if wide and any(row.shapes for row in rows):
        table.add_column("shapes", overflow="fold")
    shown = rows if limit is None else rows[:limit]
    for row in shown:
        cells = _cells(row, whole, wide)
        if wide and row.shapes:
            cells.append(" ".join("-" if s is None else _shape(s) for s in row.shapes))
        table.add_row(*cells)
    left = rows[len(shown) :]
    if left:
        rest = sum([row.self_time for row in left])
        table.add_row(f"{len(left)} more", "", "", _ms(rest), _percent(rest, whole), style="dim")
    table.add_section()
    total = sum([row.self_time for row in rows])
    table.add_row("all", "", "", _ms(total), _percent(total, whole))
    return rendered(table, width)


def _cells(row: Row, whole: int, wide: bool) -> list[str]:
    share = row.share_of_limit
    cells = [
        row.name,
        row.phase,
        f"{row.calls:,}" if row.calls else "",
        _ms(row.self_time),
        _percent(row.self_time, whole),
    ]
    if wide:
        cells.append(_ms(row.total_time))
        cells.append(f"{row.self_time / row.calls / 1e3:,.1f}" if row.calls else "")
    cells.append(units(row.flops) if row.flops else "")
    if wide:
        cells.append(units(row.bytes, "B") if row.bytes else "")
    cells.append("" if share is None else f"{share:.0%}" if share >= 0.01 else f"{share:.1%}")
    if wide:
        cells.append(units(row.peak, "B") if row.peak and row.calls else "")
    return cells


def module_table(rows: list[ModuleRow], whole: int, width: int) -> str:
    """The modules as a tree."""
    wide = width >= _NARROW
    table = table_of(
        "module", *(["class"] if wide else []), "calls>", "forward ms>", "self ms>",
        "backward ms>", "both %>", "FLOPs>", *(["peak>"] if wide else []),
    )  # fmt: skip
    for row in rows:
        both = row.total_time + row.backward_time
        table.add_row(
            "  " * row.depth + row.name,
            *([row.label] if wide else []),
            f"{row.calls:,}",
            _ms(row.total_time),
            _ms(row.self_time),
            _ms(row.backward_time),
            _percent(both, whole),
            units(row.flops) if row.flops else "",
            *([units(row.peak, "B") if row.peak else ""] if wide else []),
        )
    return rendered(table, width)


def function_table(rows: list[Row], whole: int, width: int) -> str:
    """What `record_function` has marked."""
    table = table_of("function", "calls>", "total ms>", "total %>", "self ms>")
    for row in rows:
        share = _percent(row.total_time, whole)
        table.add_row(row.name, f"{row.calls:,}", _ms(row.total_time), share, _ms(row.self_time))
    return rendered(table, width)


def _ms(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:,.3f}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else ""


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
