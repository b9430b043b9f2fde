"""The same network, three ways: run op by op, built as a graph of placeholders, and compiled.

Dynamic: each line of Python computes at once, and the tape grows as it goes. Static: the graph is
built first, of symbols; shapes are checked, but nothing is computed until it is fed. The third way
is a dynamic program that `ag.compile` traces into such a graph.

    python examples/static_vs_dynamic.py [--steps 200] [--batch 32]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import pyautograd as ag
from pyautograd import nn


def network() -> nn.Module:
    ag.manual_seed(0)
    return nn.Sequential(
        nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2)
    )


def data(count: int) -> tuple[ag.Tensor, ag.Tensor]:
    """Points of the plane, and whether they lie within a circle."""
    points = ag.rand(count, 2) * 2.0 - 1.0
    return points, ((points**2).sum(dim=1) < 0.5).long()


def dynamic(model: nn.Module) -> Callable[..., ag.Tensor]:
    """Define by run: the graph is what happened, new in every step."""
    optimizer = ag.optim.SGD(model.parameters(), lr=0.5)

    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def static(model: nn.Module) -> Any:
    """Define and run: the graph first, for batches of any size, then data."""
    optimizer = ag.optim.SGD(model.parameters(), lr=0.5)
    x = ag.static.placeholder(("N", 2), name="x")
    y = ag.static.placeholder(("N",), "int64", name="y")
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return ag.static.compile([x, y], loss)


def tape(loss: ag.Tensor) -> str:
    """The recorded graph of a loss, a line a node: what backward walks."""
    order: list[Any] = []
    pending = [loss.grad_fn]
    while pending:
        node = pending.pop(0)
        if node is not None and node not in order:
            order.append(node)
            pending += [edge for edge, _ in node.next_functions]
    number = {node: i for i, node in enumerate(order)}
    return "\n".join(
        f"  {i:2} {node.name():24}"
        + ", ".join(str(number[edge]) for edge, _ in node.next_functions if edge is not None)
        for i, node in enumerate(order)
    )


def microseconds(step: Callable[..., Any], batch: tuple[ag.Tensor, ...], steps: int) -> float:
    """The best of five rounds, for one step."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(steps):
            step(*batch)
        best = min(best, (time.perf_counter() - start) / steps)
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200, help="steps in a round of the clock")
    parser.add_argument("--batch", type=int, default=32, help="points in a batch")
    args = parser.parse_args()
    ways = {
        "dynamic": dynamic(network()),
        "static": static(network()),
        "compiled": ag.compile(dynamic(network()), dynamic_batch=True),
    }
    ag.manual_seed(1)
    batch = data(args.batch)

    print("The tape of one dynamic step, from the loss back (node, its inputs):")
    print(tape(nn.functional.cross_entropy(network()(batch[0]), batch[1])))
    print("\nThe static graph, gradients and the update included, before any data:")
    ways["static"].graph.print()

    print("\nLosses of the first steps:")
    for name, step in ways.items():
        print(f"  {name:9}", *[f"{step(*batch).item():.9f}" for _ in range(4)])

    print("\nOne mistake, found when?")
    try:
        network()(ag.ones(32, 3))
    except ValueError as error:
        print(f"  dynamic: when the line runs:       {error}")
    try:
        network()(ag.static.placeholder(("N", 3), name="x"))
    except ValueError as error:
        print(f"  static:  before there is any data: {str(error).split(', at ')[0]}")

    print(f"\nA training step on {args.batch} points:")
    times = {name: microseconds(step, batch, args.steps) for name, step in ways.items()}
    for name, found in times.items():
        print(f"  {name:9}{found:8.1f} us, {times['dynamic'] / found:5.1f} times as fast")

    report = ways["static"].explain().splitlines()
    print("\nMemory of a step, and the plan:")
    print("\n".join(f"  {line}" for line in report if line.startswith(("arena", "plan", "fused"))))


if __name__ == "__main__":
    main()
