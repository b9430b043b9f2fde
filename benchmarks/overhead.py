"""What an op costs beside its arithmetic, against PyTorch, HIPS autograd and MyGrad.

python benchmarks/overhead.py                    # those of them that are installed; one thread
python benchmarks/overhead.py --instructions     # ours under callgrind: exact, whatever else runs
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import turns

MULTIPLY, SCALE = "4x4 multiply", "4x4 times a number"
CHAIN, EXPRESSION = "chain of 100, with backward", "small expression, with backward"


def rows_of(side: str) -> Mapping[str, turns.Row]:
    """The programs of one side, by name."""
    return {"autograd": autograd_rows, "mygrad": mygrad_rows}.get(side, lambda: tensor_rows(side))()


def values() -> tuple[Any, Any]:
    rng = np.random.default_rng()
    return rng.standard_normal((4, 4), "float32"), rng.standard_normal((4, 4), "float32")


def autograd_rows() -> Mapping[str, turns.Row]:
    """HIPS autograd has functions instead of a tape: only gradients can be asked for."""
    import autograd
    import autograd.numpy as np

    def product(x: Any, b: Any) -> Any:
        for _ in range(100):
            x = x * b
        return np.sum(x)

    def expression(a: Any, b: Any) -> Any:
        return np.sum(np.tanh((a * b + a) * (b - a) + b))

    def row(function: Any) -> turns.Row:
        gradients, (a, b) = autograd.grad(function, (0, 1)), values()
        return lambda: lambda: gradients(a, b)

    return {CHAIN: row(product), EXPRESSION: row(expression)}


def mygrad_rows() -> Mapping[str, turns.Row]:
    import mygrad as mg

    a, b = (mg.tensor(x) for x in values())

    def multiply() -> turns.Work:
        def work() -> None:
            c = a * b  # noqa: F841

        return work

    def chain() -> turns.Work:
        def work() -> None:
            x = a
            for _ in range(100):
                x = x * b
            x.sum().backward()

        return work

    def expression() -> turns.Work:
        return lambda: mg.tanh((a * b + a) * (b - a) + b).sum().backward()

    return {
        MULTIPLY: multiply,
        SCALE: lambda: lambda: a * 2.0,
        CHAIN: chain,
        EXPRESSION: expression,
    }


def tensor_rows(side: str) -> Mapping[str, turns.Row]:
    """The same programs in PyTorch and here: only the import differs."""
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
        MULTIPLY: multiply,
        SCALE: scale,
        "100 multiplies, no_grad": multiply_without_tape,
        CHAIN: chain,
        EXPRESSION: expression,
        "2-16-16-2 net, batch 32, SGD step": step,
    }


def report(best: dict[str, dict[str, float]], threads: int) -> str:
    """Microseconds, and in brackets how many times ours they are."""
    lines = []
    for row, seconds in best.items():
        ours, *peers = seconds.values()
        line = [row, f"{ours * 1e6:.2f}"]
        for theirs in peers:
            line.append("-" if theirs == math.inf else f"{theirs * 1e6:.2f} ({theirs / ours:.1f}x)")
        lines.append(line)
    head = ["us a run", *next(iter(best.values()))]
    return f"threads: {threads}\n" + turns.table(head, lines)


def instructions(row: str, runs: int) -> int:
    """Instructions of a process that runs a row that often."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable,
         __file__, "--run", row, str(runs)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYAUTOGRAD_ISA": "avx2"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1])


def report_instructions() -> None:
    """Instructions a run: what 2n runs take beyond n. Valgrind knows no AVX-512, hence AVX2."""
    lines = []
    for name, row in tensor_rows("pyautograd").items():
        n = int(0.03 / turns.one_round(row()))
        lines.append([name, f"{(instructions(name, 2 * n) - instructions(name, n)) // n:,}"])
    print(turns.table(["instructions a run", "pyautograd"], lines))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--instructions"]:
        report_instructions()
    elif sys.argv[1:2] == ["--run"]:
        work = tensor_rows("pyautograd")[sys.argv[2]]()
        for _ in range(int(sys.argv[3])):
            work()
    else:
        peers = [side for side in ("torch", "autograd", "mygrad") if turns.installed(side)]
        turns.main(__doc__ or "", rows_of, ["pyautograd", *peers], report)
