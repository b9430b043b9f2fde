"""What a run is asked to do. A checkpoint keeps it, so that a resumed run goes on with the same."""

from __future__ import annotations

import math
from dataclasses import dataclass


class RunError(Exception):
    """Something the user can put right; its text is one line and is all that is shown."""


@dataclass(frozen=True)
class Settings:
    """The choices that decide a run's weights; the number of threads is none of them."""

    data: str = ""  # a folder; the digits where it is empty
    seed: int = 0
    epochs: int = 20
    batch_size: int = 64
    lr: float = 0.004

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise RunError(f"--seed: expected 0 or more, got {self.seed}")
        if self.epochs < 1:
            raise RunError(f"--epochs: expected at least 1, got {self.epochs}")
        if self.batch_size < 1:
            raise RunError(f"--batch-size: expected at least 1, got {self.batch_size}")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise RunError(f"--lr: expected a positive number, got {self.lr}")
