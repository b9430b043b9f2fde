"""Whole training steps and inference: compiled and eager, against PyTorch's eager mode.

python benchmarks/compiled.py --threads 2 --only ResNet

The fully connected networks are also run by torch.compile and jax.jit, where these are installed.
torch.compile builds for a minute before the first number. JAX may be in an environment of its own:

python benchmarks/compiled.py --threads 2 --only -1 --python jax=/path/to/jax/bin/python
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import turns


class Side:
    """A library's way to build and run networks: names are the same in both."""

    def __init__(self, name: str) -> None:
        if name.startswith("torch"):
            import torch

            self.lib: Any = torch
        else:
            import pyautograd

            self.lib = pyautograd
        compiles = name in ("compiled", "torch.compile")
        self.compile = self.lib.compile if compiles else lambda function: function


def small(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)
    )


def mlp(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet20(nn: Any) -> Any:
    """For CIFAR: He et al., 2016."""

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.main = nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
                nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )  # fmt: skip
            self.skip = nn.Identity()
            if stride != 1 or inputs != outputs:
                self.skip = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.main(x) + self.skip(x))

    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    channels = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for i in range(3):
            layers.append(Block(channels, outputs, 1 if i else stride))
            channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def encoder(nn: Any) -> Any:
    """A transformer encoder of two layers, and the mean over time for ten classes."""

    class Classifier(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.head = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(x).mean(1))

    return Classifier()


NETWORKS = {  # network, shape of a batch, optimiser
    "2-16-16-2, batch 32, SGD": (small, (32, 2), "SGD"),
    "784-256-128-10, batch 64, Adam": (mlp, (64, 784), "Adam"),
    "LeNet-5, batch 64, Adam": (lenet, (64, 1, 28, 28), "Adam"),
    "ResNet-20, batch 32, SGD": (resnet20, (32, 3, 32, 32), "SGD"),
    "encoder, 2 layers of 64, 32x32, Adam": (encoder, (32, 32, 64), "Adam"),
}


def rows_of(name: str) -> Mapping[str, turns.Row]:
    if name == "jax":
        import jax_networks

        return jax_networks.rows(NETWORKS)
    side = Side(name)
    lib, nn = side.lib, side.lib.nn

    def training(make: Any, shape: tuple[int, ...], optimizer: str) -> turns.Work:
        net = make(nn)
        options = {"lr": 0.01, "momentum": 0.9} if optimizer == "SGD" else {"lr": 0.001}
        update = getattr(lib.optim, optimizer)(net.parameters(), **options)

        def step(x: Any, y: Any) -> Any:
            update.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            update.step()
            return loss

        run = side.compile(step)
        x, y = lib.randn(*shape), lib.randint(0, 2, (shape[0],))
        return lambda: run(x, y)

    def inference(make: Any, shape: tuple[int, ...]) -> turns.Work:
        net = make(nn)
        net.eval()
        run = side.compile(lambda x: net(x))
        x = lib.randn(*shape)

        def work() -> None:
            with lib.no_grad():
                run(x)

        return work

    rows: dict[str, turns.Row] = {}
    for what, (make, shape, optimizer) in NETWORKS.items():
        if name == "torch.compile" and make not in (small, mlp):  # minutes to build
            continue
        rows[f"train {what}"] = lambda m=make, s=shape, o=optimizer: training(m, s, o)
        rows[f"infer {what.rsplit(', ', 1)[0]}"] = lambda m=make, s=shape: inference(m, s)
    return rows


def report(best: dict[str, dict[str, float]], threads: int) -> str:
    """Microseconds, and in brackets how many times the compiled plan's they are."""
    lines = []
    for row, seconds in best.items():
        ours, *others = seconds.values()
        lines.append([row, f"{ours * 1e6:.1f}", *[_beside(s, ours) for s in others]])
    return f"threads: {threads}\n" + turns.table(["us", *next(iter(best.values()))], lines)


def _beside(seconds: float, ours: float) -> str:
    return "-" if seconds == float("inf") else f"{seconds * 1e6:.1f} ({seconds / ours:.1f}x)"


if __name__ == "__main__":
    peers = ["torch", "torch.compile"] if turns.installed("torch") else []
    peers += ["jax"] if turns.installed("jax") else []
    turns.main(__doc__ or "", rows_of, ["compiled", "eager", *peers], report)
