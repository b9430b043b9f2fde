"""The table at the end of a run."""

from __future__ import annotations

import re

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

    results = Table(title=f"{images.name}, {len(history)} epochs", title_justify="left")
    results.add_column("")
    results.add_column("images", justify="right")
    results.add_column("loss", justify="right")
    results.add_column("accuracy", justify="right", style="bold")
    for name, labels, (loss, accuracy) in (
        ("training", images.train_labels, train),
        ("test", images.test_labels, test),
    ):
        results.add_row(name, f"{len(labels):,}", f"{loss:.4f}", f"{accuracy:.2%}")
    console.print(results)
    console.print(
        f"{seconds:.1f} s of training, {samples / max(seconds, 1e-9):,.0f} samples/s, "
        f"{parameters:,} parameters",
        highlight=False,
    )
    isa = re.search(r"instruction set: (\S+)", ag.show_config())
    console.print(
        f"{ag.get_num_threads()} threads, instruction set {isa[1] if isa else 'unknown'}",
        highlight=False,
    )
