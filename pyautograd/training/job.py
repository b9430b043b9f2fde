"""A run from beginning to end: new or resumed, trained, reported."""

from __future__ import annotations

import os
from dataclasses import replace

from rich.console import Console

import pyautograd as ag
from pyautograd.training.checkpoint import read_checkpoint, restore, save_checkpoint
from pyautograd.training.datasets import load_images
from pyautograd.training.folder import RunFolder
from pyautograd.training.interrupt import StopRequest
from pyautograd.training.progress import watching
from pyautograd.training.report import print_table
from pyautograd.training.settings import Settings
from pyautograd.training.trainer import Trainer


def start(settings: Settings, out: str | None, compiled: bool = True) -> int:
    """A new run; returns the exit status. Raises RunError."""
    images = load_images(settings.data)
    if settings.data:  # a checkpoint should find it from any folder
        settings = replace(settings, data=os.path.abspath(settings.data))
    trainer = Trainer(images, settings, compiled)
    folder = RunFolder.create(out, images.name)
    folder.write_metrics([])
    return _go(trainer, folder)


def resume(name: str, data: str, compiled: bool = True) -> int:
    """Goes on with a run; `data` says where its images lie now, if they have moved."""
    folder, path = RunFolder.of_checkpoint(name)
    settings, contents = read_checkpoint(path)
    trainer = Trainer(load_images(data or settings.data), settings, compiled)
    restore(path, contents, trainer)
    folder.write_metrics(trainer.history)
    return _go(trainer, folder)


def _go(trainer: Trainer, folder: RunFolder) -> int:
    console = Console()
    images = trainer.images
    console.print(
        f"{images.name}: {len(images.train_labels):,} images to train on, "
        f"{len(images.test_labels):,} held out, {'x'.join(map(str, images.train_images.shape[1:]))}"
        + (f"; goes on in epoch {len(trainer.history) + 1}" if trainer.steps_done else ""),
        highlight=False,
        soft_wrap=True,
    )
    with StopRequest() as stop:
        _train(trainer, folder, console, stop)
    if stop.signal:
        console.print(
            f"Stopped in epoch {min(len(trainer.history) + 1, trainer.settings.epochs)}; go on with"
            f"\n  pyautograd train --resume {folder.path}",
            highlight=False,
            soft_wrap=True,
        )
        return 128 + stop.signal
    _report(trainer, folder, console)
    return 0


def _train(trainer: Trainer, folder: RunFolder, console: Console, stop: StopRequest) -> None:
    with watching(trainer, console) as watch:
        while not trainer.finished and not stop.signal:
            for _ in trainer.steps():
                watch.step()
                if stop.signal:
                    break
            else:
                folder.append_metrics(trainer.history[-1])
                watch.epoch()
            save_checkpoint(folder.checkpoint, trainer)


def _report(trainer: Trainer, folder: RunFolder, console: Console) -> None:
    from pyautograd.training.pictures import draw_curves, draw_mistakes  # matplotlib loads slowly

    ag.save(trainer.model.state_dict(), folder.weights)
    train_loss, train_accuracy, _ = trainer.evaluate_train()
    test_loss, test_accuracy, probabilities = trainer.evaluate_test()
    print_table(console, trainer, (train_loss, train_accuracy), (test_loss, test_accuracy))
    draw_curves(folder.curves, trainer.images.name, trainer.history)
    draw_mistakes(folder.mistakes, trainer.images, probabilities)
    console.print(
        f"Written to {folder.path}: model.npz, checkpoint.npz, metrics.csv, curves.png, "
        "mistakes.png",
        highlight=False,
        soft_wrap=True,
    )
