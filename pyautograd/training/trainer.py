"""Epochs and steps of a run, and the state that another process can go on from."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pyautograd as ag
from pyautograd.data.images import ImageSet
from pyautograd.nn import functional as F
from pyautograd.training.network import convolutional_network
from pyautograd.training.settings import RunError, Settings


@dataclass
class Epoch:
    """One line of metrics.csv. The training figures are means over the epoch as it went."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    samples_per_second: float


@dataclass
class Running:
    """What has been summed up of the epoch under way."""

    steps: int = 0
    samples: int = 0
    loss: float = 0.0
    correct: int = 0
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        return self.loss / max(self.samples, 1)

    @property
    def accuracy(self) -> float:
        return self.correct / max(self.samples, 1)


class Trainer:
    """A network in training: Adam, with a learning rate that falls along a cosine by epoch.

    compiled: whether a step runs as a plan, which changes the time it takes and nothing else.
    """

    def __init__(self, images: ImageSet, settings: Settings, compiled: bool = True) -> None:
        ag.manual_seed(settings.seed)
        self.images = images
        self.settings = settings
        self.model = convolutional_network(images.train_images, len(images.classes))
        self.optimizer = ag.optim.Adam(self.model.parameters(), lr=settings.lr)
        self.scheduler = ag.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, T_max=settings.epochs
        )
        samples = ag.data.TensorDataset(
            ag.from_numpy(images.train_images), ag.from_numpy(images.train_labels)
        )
        self.batches = ag.data.DataLoader(samples, settings.batch_size, shuffle=True)
        self._update = ag.compile(self._update_weights) if compiled else self._update_weights
        self.history: list[Epoch] = []
        self.running = Running()
        self._epoch_start = ag.default_generator.get_state()

    @property
    def finished(self) -> bool:
        return len(self.history) >= self.settings.epochs

    @property
    def total_steps(self) -> int:
        return self.settings.epochs * len(self.batches)

    @property
    def steps_done(self) -> int:
        return len(self.history) * len(self.batches) + self.running.steps

    def steps(self) -> Iterator[None]:
        """Trains until the end of the epoch; the caller looks around, or leaves, at each yield."""
        running = self.running
        batches = iter(self.batches)
        if running.steps:  # resumed within an epoch: draw its order again, skip what is done
            now = ag.default_generator.get_state()
            ag.default_generator.set_state(self._epoch_start)
            for _ in range(running.steps):
                next(batches)
            ag.default_generator.set_state(now)
        else:
            self._epoch_start = ag.default_generator.get_state()
        self.model.train()
        for inputs, labels in batches:
            started = time.perf_counter()
            self._step(inputs, labels)
            running.seconds += time.perf_counter() - started
            yield
        self._finish_epoch()

    def _update_weights(self, inputs: ag.Tensor, labels: ag.Tensor) -> tuple[ag.Tensor, ag.Tensor]:
        scores = self.model(inputs)  # (N, classes)
        loss = F.cross_entropy(scores, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach(), scores.detach()

    def _step(self, inputs: ag.Tensor, labels: ag.Tensor) -> None:
        loss, scores = self._update(inputs, labels)
        value = loss.item()
        if not math.isfinite(value):
            raise RunError(
                f"the loss became {value} in epoch {len(self.history) + 1}: "
                f"try an --lr smaller than {self.settings.lr:g}"
            )
        count = len(labels)
        self.running.steps += 1
        self.running.samples += count
        self.running.loss += value * count
        hits = scores.numpy().argmax(axis=1) == labels.numpy()
        self.running.correct += int(hits.sum())

    def _finish_epoch(self) -> None:
        running = self.running
        rate = self.optimizer.param_groups[0]["lr"]
        self.scheduler.step()
        test_loss, test_accuracy, _ = self.evaluate_test()
        self.history.append(
            Epoch(
                epoch=len(self.history) + 1,
                learning_rate=rate,
                train_loss=running.mean_loss,
                train_accuracy=running.accuracy,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
                seconds=running.seconds,
                samples_per_second=running.samples / max(running.seconds, 1e-9),
            )
        )
        self.running = Running()

    def evaluate_test(self) -> tuple[float, float, NDArray[np.float32]]:
        """Mean loss, accuracy and probabilities (N, classes) of the test images."""
        return self._evaluate(self.images.test_images, self.images.test_labels)

    def evaluate_train(self) -> tuple[float, float, NDArray[np.float32]]:
        """The same of the training images."""
        return self._evaluate(self.images.train_images, self.images.train_labels)

    def _evaluate(
        self, images: NDArray[np.float32], labels: NDArray[np.int64], batch: int = 500
    ) -> tuple[float, float, NDArray[np.float32]]:
        self.model.eval()
        loss = 0.0
        probabilities = np.empty((len(images), len(self.images.classes)), np.float32)
        with ag.no_grad():
            for start in range(0, len(images), batch):
                part = slice(start, start + batch)
                scores = self.model(ag.from_numpy(images[part]))
                target = ag.from_numpy(labels[part])
                loss += F.cross_entropy(scores, target, reduction="sum").item()
                probabilities[part] = ag.softmax(scores, dim=1).numpy()
        hits = probabilities.argmax(axis=1) == labels
        return loss / max(len(images), 1), float(hits.mean()), probabilities

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "running": asdict(self.running),
            "history": {
                field.name: [getattr(epoch, field.name) for epoch in self.history]
                for field in fields(Epoch)
            },
            "epoch_start": self._epoch_start,
            "generator": ag.default_generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Goes back to where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.running = Running(**state["running"])
        columns = state["history"]
        self.history = [
            Epoch(**dict(zip(columns, row, strict=True)))
            for row in zip(*columns.values(), strict=True)
        ]
        self._epoch_start = state["epoch_start"]
        ag.default_generator.set_state(state["generator"])
