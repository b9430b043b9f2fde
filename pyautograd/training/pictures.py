"""Learning curves and mistakes, drawn by matplotlib without a display."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from pyautograd.data.images import ImageSet
from pyautograd.training.trainer import Epoch

_MOST = 40  # mistakes in one picture
_TRAIN, _TEST = "tab:blue", "tab:orange"


def draw_curves(path: Path, name: str, history: list[Epoch]) -> None:
    """Loss and accuracy by epoch, training and test."""
    figure = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    figure.suptitle(f"Learning curves, {name}")
    losses, accuracies = figure.subplots(1, 2)
    epochs = [epoch.epoch for epoch in history]
    _pair(losses, epochs, [e.train_loss for e in history], [e.test_loss for e in history])
    losses.set_ylabel("cross-entropy loss (nats per image)")
    losses.set_yscale("log")
    _pair(
        accuracies, epochs, [e.train_accuracy for e in history], [e.test_accuracy for e in history]
    )
    accuracies.set_ylabel("accuracy (% of images)")
    accuracies.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    figure.savefig(path)


def _pair(axes: Axes, epochs: list[int], train: list[float], test: list[float]) -> None:
    style: dict[str, Any] = {"marker": "o", "markersize": 3}
    axes.plot(epochs, train, color=_TRAIN, label="training (while it learns)", **style)
    axes.plot(epochs, test, color=_TEST, label="test", **style)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()


def draw_mistakes(path: Path, images: ImageSet, probabilities: NDArray[np.float32]) -> int:
    """The test images taken for another class, the surest mistakes first; returns their number.

    `probabilities` is (N, classes), of the test images.
    """
    labels, said = images.test_labels, probabilities.argmax(axis=1)
    wrong = np.flatnonzero(said != labels)
    wrong = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")]
    shown = wrong[:_MOST]
    columns = min(8, max(len(shown), 4))
    rows = max(1, math.ceil(len(shown) / columns))
    long_names = max(len(name) for name in images.classes) > 2
    width = 1.7 if long_names else 1.25
    figure = Figure(
        figsize=(width * columns + 0.4, 1.65 * rows + 0.7), dpi=150, layout="constrained"
    )
    figure.suptitle(_title(len(wrong), len(shown), len(labels), images.name), fontsize=10)
    for axes in figure.subplots(rows, columns, squeeze=False).ravel():
        axes.set_axis_off()
    for axes, i in zip(figure.axes, shown, strict=False):
        _draw_image(axes, images.test_images[i])
        axes.set_axis_on()
        truth, answer = images.classes[labels[i]], images.classes[said[i]]
        axes.set_title(f"is {truth}, said {answer}\n({probabilities[i, said[i]]:.0%} sure)", size=7)
    if not len(wrong):
        figure.text(0.5, 0.4, "nothing to show", ha="center", color="gray")
    figure.savefig(path)
    return len(wrong)


def _title(wrong: int, shown: int, total: int, name: str) -> str:
    if not wrong:
        return f"No mistakes on the {total:,} test images of {name}"
    title = f"{wrong:,} of {total:,} test images of {name} wrong"
    return title if shown == wrong else f"{title}; the {shown} surest mistakes"


def _draw_image(axes: Axes, image: NDArray[np.float32]) -> None:
    """(1, H, W) as dark ink on white, (3, H, W) in colour, in a thin frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("lightgray")
    if len(image) == 1:
        axes.imshow(image[0], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    else:
        axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
