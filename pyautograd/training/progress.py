"""What is seen while a run trains: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from pyautograd.training.trainer import Trainer

_REFRESH = 0.1  # seconds between two updates of the bar
_LINES = 2.0  # seconds at least between two lines


class _TimeLeft(ProgressColumn):
    """`1:05 left`, from the speed of this process alone: a resumed run starts anew."""

    def render(self, task: Task) -> Text:
        return Text(f"{_duration(task.time_remaining)} left", style="progress.remaining")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Watch:
    """Is told of each step and each epoch; shows nothing itself."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.began = time.perf_counter()
        self.first_step = trainer.steps_done
        self.shown = self.began

    def due(self, interval: float) -> bool:
        now = time.perf_counter()
        if now - self.shown < interval:
            return False
        self.shown = now
        return True

    def figures(self) -> str:
        """Loss, accuracy and speed: of the epoch under way, or of the last at its end."""
        trainer = self.trainer
        running, history = trainer.running, trainer.history
        if running.steps:
            loss, accuracy = running.mean_loss, running.accuracy
            speed = running.samples / max(running.seconds, 1e-9)
        elif history:
            last = history[-1]
            loss, accuracy, speed = last.train_loss, last.train_accuracy, last.samples_per_second
        else:
            return "loss -  acc -"
        test = f"  test {history[-1].test_accuracy:.1%}" if history else ""
        return f"loss {loss:.4f}  acc {accuracy:.1%}{test}  {speed:,.0f}/s"

    def step(self) -> None:
        """After each step."""

    def epoch(self) -> None:
        """After each epoch, when its figures are known."""


class Bar(Watch):
    """A live bar over all steps of the run."""

    def __init__(self, trainer: Trainer, progress: Progress) -> None:
        super().__init__(trainer)
        self.progress = progress
        self.task = progress.add_task(
            self.description(),
            total=trainer.total_steps,
            completed=self.first_step,
            figures=self.figures(),
        )

    def description(self) -> str:
        epochs = self.trainer.settings.epochs
        number = min(len(self.trainer.history) + 1, epochs)
        return f"epoch {number:{len(str(epochs))}}/{epochs}"

    def update(self) -> None:
        self.progress.update(
            self.task,
            completed=self.trainer.steps_done,
            description=self.description(),
            figures=self.figures(),
        )

    def step(self) -> None:
        if self.due(_REFRESH):
            self.update()

    def epoch(self) -> None:
        self.update()


class Lines(Watch):
    """A plain line now and then, for logs."""

    def __init__(self, trainer: Trainer, console: Console) -> None:
        super().__init__(trainer)
        self.console = console

    def print(self) -> None:
        trainer = self.trainer
        done = trainer.steps_done
        pace = (time.perf_counter() - self.began) / max(done - self.first_step, 1)
        left = _duration(pace * (trainer.total_steps - done))
        number = len(trainer.history) + bool(trainer.running.steps)
        self.console.print(
            f"epoch {number}/{trainer.settings.epochs}  {self.figures()}  {left} left",
            highlight=False,
            soft_wrap=True,
        )

    def step(self) -> None:
        if self.due(5 * _LINES):
            self.print()

    def epoch(self) -> None:
        if self.due(_LINES) or self.trainer.finished or len(self.trainer.history) == 1:
            self.print()


@contextmanager
def watching(trainer: Trainer, console: Console) -> Iterator[Watch]:
    """A bar where the console is a terminal, else lines."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield Lines(trainer, console)
        return
    bar = [BarColumn(bar_width=None)] if console.width >= 80 else []
    columns = (
        TextColumn("{task.description}"),
        *bar,
        TextColumn("{task.fields[figures]}"),
        _TimeLeft(),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        yield Bar(trainer, progress)
