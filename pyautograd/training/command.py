"""The command `train` and its options."""

from __future__ import annotations

import typer

import pyautograd as ag
from pyautograd.training.settings import RunError, Settings

_STANDARD = Settings()


def train(
    data: str = typer.Option(
        "",
        metavar="FOLDER",
        show_default=False,
        help="A folder with MNIST's IDX files or CIFAR-10's binary files, told by its contents; "
        "without it, the handwritten digits that scikit-learn carries.",
    ),
    seed: int | None = typer.Option(
        None, help=f"Of the first weights and the order of the images. [{_STANDARD.seed}]"
    ),
    epochs: int | None = typer.Option(
        None, help=f"Passes over the training images. [{_STANDARD.epochs}]"
    ),
    batch_size: int | None = typer.Option(None, help=f"Images in a step. [{_STANDARD.batch_size}]"),
    lr: float | None = typer.Option(
        None, help=f"Learning rate, before it falls. [{_STANDARD.lr:g}]"
    ),
    out: str | None = typer.Option(
        None, metavar="FOLDER", help="Of the run. [runs/<data set>-<time>]"
    ),
    threads: int | None = typer.Option(
        None, help="Of the kernels; the weights come out the same. [cores of this machine]"
    ),
    compile: bool = typer.Option(
        True, help="Run each step as one native plan, which is faster; the weights are the same."
    ),
    resume: str | None = typer.Option(
        None, metavar="RUN", help="Go on with this run: its folder, or a checkpoint file."
    ),
) -> int:
    """Train a small convolutional network on images.

    The folder of the run gets the weights (model.npz), a checkpoint, metrics.csv, the learning
    curves and the mistakes on the test images. Ctrl-C stops after the step under way; --resume
    goes on from there, to the same weights as without the stop.
    """
    from pyautograd.training import job

    if threads is not None:
        if threads < 1:
            raise RunError(f"--threads: expected at least 1, got {threads}")
        ag.set_num_threads(threads)
    chosen = {"seed": seed, "epochs": epochs, "batch_size": batch_size, "lr": lr}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if resume is None:
        return job.start(Settings(data=data, **chosen), out, compile)  # type: ignore[arg-type]
    for name in (*chosen, *(["out"] if out is not None else [])):
        raise RunError(
            f"--{name.replace('_', '-')}: not with --resume, which goes on as the run began"
        )
    return job.resume(resume, data, compile)
