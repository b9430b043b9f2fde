"""The command `bench`: how near to this machine's limits some ops and a training step come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import typer
from rich.console import Console

import pyautograd as ag
from pyautograd import nn
from pyautograd.terminal import table_of, units
from pyautograd.training.settings import RunError

_SECONDS = 0.1  # for each row


class Work(NamedTuple):
    """A row: a name, and what makes the function to time."""

    name: str
    start: Callable[[], Callable[[], Any]]


def _unary(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable[[], Any]:
    def start() -> Callable[[], Any]:
        inputs = [ag.rand(*shape) for shape in shapes]
        return lambda: function(*inputs)

    return start


def _training(compiled: bool) -> Callable[[], Callable[[], Any]]:
    """A step of LeNet-5 on 64 images, with Adam."""

    def start() -> Callable[[], Any]:
        model = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84),
            nn.ReLU(), nn.Linear(84, 10),
        )  # fmt: skip
        optimizer = ag.optim.Adam(model.parameters())

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        x, y = ag.rand(64, 1, 28, 28), ag.randint(0, 10, (64,))
        run = ag.compile(step) if compiled else step
        return lambda: run(x, y)

    return start


F = nn.functional
ROWS = (
    Work("add, 1,000 numbers", _unary(ag.add, (1000,), (1000,))),
    Work("add, 1,000,000", _unary(ag.add, (1_000_000,), (1_000_000,))),
    Work("tanh, 1,000,000", _unary(ag.tanh, (1_000_000,))),
    Work("sum of 1024x1024 over rows", _unary(lambda x: x.sum(0), (1024, 1024))),
    Work("matmul, 512x512x512", _unary(ag.matmul, (512, 512), (512, 512))),
    Work("linear, 64x784x256", _unary(F.linear, (64, 784), (256, 784), (256,))),
    Work(
        "conv2d 3x3, 32x16x32x32 to 16",
        _unary(lambda x, w: F.conv2d(x, w, padding=1), (32, 16, 32, 32), (16, 16, 3, 3)),
    ),
    Work(
        "conv2d 3x3, depthwise, 4x128x28x28",
        _unary(
            lambda x, w: F.conv2d(x, w, padding=1, groups=128), (4, 128, 28, 28), (128, 1, 3, 3)
        ),
    ),
    Work("max_pool2d 2, 32x64x56x56", _unary(lambda x: F.max_pool2d(x, 2), (32, 64, 56, 56))),
    Work("softmax, 4096x768", _unary(lambda x: F.softmax(x, 1), (4096, 768))),
    Work("LeNet-5 step, batch 64", _training(False)),
    Work("LeNet-5 step, compiled", _training(True)),
)


def bench(
    only: str = typer.Option(
        "", metavar="TEXT", show_default=False, help="The rows whose names have this in them."
    ),
    threads: int | None = typer.Option(None, help="Of the kernels. [cores of this machine]"),
) -> int:
    """Time some ops against this machine's own limits.

    And a training step. The limit is a program that does nothing but the arithmetic in registers,
    or nothing but copy as many bytes, whichever takes longer; Winograd's convolutions need less
    arithmetic and may pass it. The source has more in benchmarks/, beside PyTorch too.
    """
    if threads is not None:
        if threads < 1:
            raise RunError(f"--threads: expected at least 1, got {threads}")
        ag.set_num_threads(threads)
    chosen = [work for work in ROWS if only.lower() in work.name.lower()]
    if not chosen:
        raise RunError(f"--only: no row has {only!r} in its name")
    console = Console()
    limits = ag.profiler.machine_limits()
    console.print(
        f"{limits.isa}, {limits.threads} threads; limits {units(limits.flops[4])}FLOP/s, "
        f"{units(limits.bandwidth, 'B')}/s in memory",
        highlight=False,
    )
    console.print()
    table = table_of("row", "us>", "rate>", "of limit>")
    with console.status("measuring"):
        for work in chosen:
            table.add_row(work.name, *measured(work.start()))
    console.print(table)
    return 0


def measured(run: Callable[[], Any]) -> tuple[str, str, str]:
    """Microseconds, the rate of arithmetic or of memory, and the share of the limit."""
    run()
    with ag.profiler.profile() as p:
        run()
    rows = p.key_averages()
    flops, moved = sum(row.flops for row in rows), sum(row.bytes for row in rows)
    limit = sum(row.limit for row in rows)
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    bound = flops > 8 * moved  # by arithmetic rather than by memory
    rate = f"{units(flops / best)}FLOP/s" if bound else f"{units(moved / best, 'B')}/s"
    return f"{best * 1e6:,.1f}", rate, f"{limit / best:.0%}"
