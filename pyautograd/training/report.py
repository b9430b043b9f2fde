"""The table at the end of a run."""

from __future__ import annotations

import re

from rich import box
from rich.console import Console
from rich.table import Table

import pyautograd as ag
from pyautograd.training.trainer import Trainer


def print_table(
    console: Console, trainer: Trainer, train: tuple[float, float], test: tuple[float, float]
) -> None:
    """`train` and `test` are (loss, accuracy) of the finished network."""
    images, history = trainer.images, trainer.history
    seconds = sum(epoch.seconds for epoch in history)
    samples = len(history) * len(images.train_labels)
    parameters = sum(p.numpy(force=True).size for p in trainer.model.parameters())
    isa = re.search(r"instruction set: (\S+)", ag.show_config())

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(f"{images.name}, {len(history)} epoch{'s' * (len(history) != 1)}")
    table.add_column("training", justify="right")
    table.add_column("test", justify="right", style="bold")
    table.add_row("images", f"{len(images.train_labels):,}", f"{len(images.test_labels):,}")
    table.add_row("loss", f"{train[0]:.4f}", f"{test[0]:.4f}")
    table.add_row("accuracy", f"{train[1]:.2%}", f"{test[1]:.2%}")
    table.add_section()
    table.add_row("time", f"{seconds:.1f} s")
    table.add_row("samples per second", f"{samples / max(seconds, 1e-9):,.0f}")
    table.add_row("parameters", f"{parameters:,}")
    table.add_row("threads", f"{ag.get_num_threads()}")
    table.add_row("instruction set", isa[1] if isa else "unknown")
    console.print(table)
