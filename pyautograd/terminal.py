"""Tables of text and numbers with units, by rich, an extra."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any


def missing(*modules: str) -> list[str]:
    """Those of the modules that are not installed."""
    absent = []
    for name in modules:
        try:
            found = find_spec(name)
        except ValueError:  # sys.modules has None in its place
            found = None
        if found is None:
            absent.append(name)
    return absent


def needs(*modules: str) -> None:
    """ImportError that names the extra, unless these modules are there."""
    absent = missing(*modules)
    if absent:
        raise ImportError(f"{', '.join(absent)} missing: pip install 'pyautograd[cli]'")


def table_of(*columns: str) -> Any:
    """A table of rich; the names of columns of numbers end in ">"."""
    needs("rich")
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for name in columns:
        number = name.endswith(">")
        table.add_column(
            name.removesuffix(">"),
            justify="right" if number else "left",
            no_wrap=number,  # text gives way to numbers
            overflow="ellipsis",
        )
    return table


def rendered(table: Any, width: int) -> str:
    """The table as plain text, without colours, of at most that many columns."""
    from rich.console import Console

    console = Console(width=width, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(table, markup=False)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def units(number: float, unit: str = "") -> str:
    """A number in three digits with a prefix: `1.23 MB`.

    >>> units(1_234_567, "B"), units(999), units(0)
    ('1.23 MB', '999', '0')
    """
    size, prefix = float(number), 0
    while abs(size) >= 999.5 and prefix < len(_PREFIXES) - 1:
        size /= 1000
        prefix += 1
    decimals = 0 if not prefix or size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{size:.{decimals}f} {_PREFIXES[prefix]}{unit}".rstrip()
