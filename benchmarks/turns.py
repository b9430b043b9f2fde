"""Side-by-side timing: each side in a process of its own, taking turns, best of several rounds.

A script defines rows per side and calls `main`. The parent starts one worker a side (the same
script with `--side`), asks them in turn for one round of a row, and keeps each side's best. So a
noisy moment hits both, and neither library's threads disturb the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

# Idle threads of the side before keep a core busy for that long (those of OpenBLAS).
SETTLE = 0.1  # seconds
Work = Callable[[], Any]
Row = Callable[[], Work]  # sets up fresh data and returns what is timed


def one_round(work: Work, seconds: float = 0.04) -> float:
    """Seconds a call, as the best of three stretches of at least `seconds` / 3."""
    work()
    count, spent = 1, 0.0
    while True:
        start = time.perf_counter()
        for _ in range(count):
            work()
        spent = time.perf_counter() - start
        if spent > seconds / 8:
            break
        count *= 4
    count = max(1, int(count * seconds / 3 / spent))
    best = spent / count if count == 1 else float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(count):
            work()
        best = min(best, (time.perf_counter() - start) / count)
    return best


def no_such_program() -> None:
    """A row's work on a side that has no such program."""


def _serve(rows: Mapping[str, Row]) -> None:
    ready: dict[str, Work] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in rows:  # this side has no such program
            print("inf", flush=True)
            continue
        if name not in ready:
            ready = {}  # one row's data at a time
            ready = {name: _start(rows[name])}
        work = ready[name]
        print("inf" if work is no_such_program else one_round(work), flush=True)


def _start(row: Row) -> Work:
    """The row's work; none where this version of the library lacks a function that it needs."""
    try:
        work = row()
        work()
    except AttributeError as error:
        print(error, file=sys.stderr)
        return no_such_program
    return work


class _Worker:
    def __init__(self, side: str, threads: int, python: str) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        env = {**os.environ, **dict.fromkeys(names, str(threads))}
        self.threads = threads
        # Some machines pin OpenBLAS to an old kernel, which would flatter us.
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            env.pop(name, None)
        self.process = subprocess.Popen(
            [python, sys.argv[0], "--side", side, "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
        )  # fmt: skip

    def time(self, row: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.threads > 1:
            time.sleep(SETTLE)
        self.process.stdin.write(row + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker died at row {row!r}")
        return float(line)


def measure(
    sides: list[str],
    rows: list[str],
    threads: int,
    rounds: int,
    pythons: Mapping[str, str] | None = None,
) -> dict[str, dict[str, float]]:
    """Best seconds by row and side; `pythons` has the interpreters of sides with their own."""
    found = pythons or {}
    workers = {side: _Worker(side, threads, found.get(side, sys.executable)) for side in sides}
    best: dict[str, dict[str, float]] = {}
    for row in rows:
        best[row] = dict.fromkeys(sides, float("inf"))
        for _ in range(rounds):
            for side, worker in workers.items():
                best[row][side] = min(best[row][side], worker.time(row))
    for worker in workers.values():
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        worker.process.wait()
    return best


def installed(module: str) -> bool:
    """Whether a module could be imported (it is not: that would start its threads)."""
    from importlib.util import find_spec

    return find_spec(module) is not None


def table(head: list[str], lines: list[list[str]]) -> str:
    """Columns aligned, the first to the left."""
    width = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width[i]) if i == 0 else cell.rjust(width[i]) for i, cell in enumerate(line)
        ).rstrip()
        for line in [head, *lines]
    )


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument(
        "--python", action="append", default=[], metavar="SIDE=PATH",
        help="the interpreter of a side whose library is installed elsewhere",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="also write the numbers there")
    return parser


def serve(side: str, threads: int, rows: Mapping[str, Row]) -> None:
    """What a worker does: times the rows that the parent names."""
    if side.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
    _serve(rows)


def main(
    description: str,
    rows_of: Callable[[str], Mapping[str, Row]],
    sides: list[str],
    report: Callable[[dict[str, dict[str, float]], int], str],
) -> None:
    """The command line of a benchmark; `sides` are ours first, then the peers installed."""
    args = parser(description).parse_args()
    if args.side:
        serve(args.side, args.threads, rows_of(args.side))
        return
    names = [name for name in rows_of(sides[0]) if args.only in name]
    pythons = dict(given.split("=", 1) for given in args.python)
    sides = [*sides, *[side for side in pythons if side not in sides]]
    best = measure(sides, names, args.threads, args.rounds, pythons)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(best, file, indent=1)
    print(report(best, args.threads))
