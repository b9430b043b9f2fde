"""The folder of a run and the files in it."""

from __future__ import annotations

import csv
import time
from dataclasses import astuple, fields
from pathlib import Path

from pyautograd.training.settings import RunError
from pyautograd.training.trainer import Epoch


class RunFolder:
    """Where a run keeps what it makes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.weights = path / "model.npz"
        self.checkpoint = path / "checkpoint.npz"
        self.metrics = path / "metrics.csv"
        self.curves = path / "curves.png"
        self.mistakes = path / "mistakes.png"
        self.files = (self.checkpoint, self.weights, self.metrics, self.curves, self.mistakes)

    @classmethod
    def create(cls, out: str | None, dataset: str) -> RunFolder:
        """A folder for a new run: `out`, or else one named by data set and time.

        Raises RunError where it holds a run already or cannot be made.
        """
        if out is not None:
            folder = cls(Path(out))
        else:
            name = f"{dataset}-{time.strftime('%Y%m%d-%H%M%S')}"
            folder = cls(Path("runs") / name)
            number = 2
            while folder.path.exists():  # another run of the same second
                folder = cls(Path("runs") / f"{name}-{number}")
                number += 1
        for path in folder.files:
            if path.exists():
                go_on = f", or go on with --resume {out}" if folder.checkpoint.exists() else ""
                raise RunError(
                    f"--out: {out} already holds a run ({path.name}); name another folder{go_on}"
                )
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"--out: cannot make {folder.path}: {error.strerror}") from error
        return folder

    @classmethod
    def of_checkpoint(cls, resume: str) -> tuple[RunFolder, Path]:
        """The run to go on with, named by its folder or by a checkpoint in it."""
        path = Path(resume)
        if path.is_dir():
            folder = cls(path)
            return folder, folder.checkpoint
        return cls(path.parent), path

    def write_metrics(self, history: list[Epoch]) -> None:
        """metrics.csv from the beginning: a resumed run drops lines past its checkpoint."""
        with self.metrics.open("w", newline="") as file:
            csv.writer(file).writerow(field.name for field in fields(Epoch))
        for epoch in history:
            self.append_metrics(epoch)

    def append_metrics(self, epoch: Epoch) -> None:
        """One more line."""
        with self.metrics.open("a", newline="") as file:
            csv.writer(file).writerow(
                f"{value:.6g}" if isinstance(value, float) else value for value in astuple(epoch)
            )
