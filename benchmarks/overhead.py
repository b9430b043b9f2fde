"""What an op costs beside its arithmetic: small programs, pyautograd against PyTorch.

python benchmarks/overhead.py            # one thread
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import turns


def rows_of(side: str) -> Mapping[str, turns.Row]:
    """The same programs in either library: only the import differs."""
    lib: Any
    if side == "torch":
        import torch as lib
    else:
        import pyautograd as lib

    def leaves() -> tuple[Any, Any]:
        return lib.randn(4, 4, requires_grad=True), lib.randn(4, 4, requires_grad=True)

    def multiply() -> turns.Work:
        a, b = leaves()

        def work() -> None:
            c = a * b  # noqa: F841  bound to a name, as in a program

        return work

    def scale() -> turns.Work:
        a, _ = leaves()
        return lambda: a * 2.0

    def multiply_without_tape() -> turns.Work:
        a, b = leaves()

        def work() -> None:
            with lib.no_grad():
                for _ in range(100):
                    c = a * b  # noqa: F841

        return work

    def chain() -> turns.Work:
        a, b = leaves()

        def work() -> None:
            x = a
            for _ in range(100):
                x = x * b
            x.sum().backward()

        return work

    def expression() -> turns.Work:
        a, b = leaves()

        def work() -> None:
            ((a * b + a) * (b - a) + b).tanh().sum().backward()

        return work

    def step() -> turns.Work:
        nn = lib.nn
        net = nn.Sequential(
            nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)
        )
        optimizer = lib.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        x, y = lib.randn(32, 2), lib.randint(0, 2, (32,))

        def work() -> None:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()

        return work

    return {
        "4x4 multiply": multiply,
        "4x4 times a number": scale,
        "100 multiplies, no_grad": multiply_without_tape,
        "chain of 100, with backward": chain,
        "small expression, with backward": expression,
        "2-16-16-2 net, batch 32, SGD step": step,
    }


def report(best: dict[str, dict[str, float]], threads: int) -> str:
    """Microseconds and ratios."""
    lines = []
    for row, seconds in best.items():
        ours = seconds["pyautograd"]
        line = [row, f"{ours * 1e6:.2f}"]
        if "torch" in seconds:
            line += [f"{seconds['torch'] * 1e6:.2f}", f"{seconds['torch'] / ours:.2f}x"]
        lines.append(line)
    head = ["us a run", "pyautograd", "torch", "ratio"][: len(lines[0])]
    return f"threads: {threads}\n" + turns.table(head, lines)


if __name__ == "__main__":
    peers = ["torch"] if turns.installed("torch") else []
    turns.main(__doc__ or "", rows_of, ["pyautograd", *peers], report)
