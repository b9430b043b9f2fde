"""The commands of `pyautograd`, each in a file of its own; they need typer and rich."""

from __future__ import annotations

import platform

import numpy as np
import typer

import pyautograd as ag
from pyautograd.commands.bench import bench
from pyautograd.commands.explain import explain
from pyautograd.training.command import train

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def commands() -> None:
    """Automatic differentiation and neural networks on CPUs."""


def info() -> None:
    """Tell version, build, threads and memory in use."""
    print(ag.show_config())
    print(f"python {platform.python_version()}, numpy {np.__version__}, {platform.platform()}")


app.command()(explain)
app.command()(info)
app.command("version", hidden=True)(info)
app.command()(bench)
app.command()(train)
