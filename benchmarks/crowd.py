"""How kernels with several threads fare when others want the same cores.

    python benchmarks/crowd.py

Each row gives the calls a second of all parties together, as a share of what one party does alone.
A machine that is shared well stays near 1; threads that spin while they wait for others that have
no core fall to a fraction of it.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SECONDS = 2.0


def step_of(side: str, threads: int) -> Callable[[], Any]:
    """A training step of a small convolutional network: many kernels of 10 to 500 us."""
    lib, nn = importlib.import_module(side), importlib.import_module(f"{side}.nn")
    lib.set_num_threads(threads)
    layers = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 10))
    x, y = lib.randn(64, 1, 28, 28), lib.randint(0, 10, (64,))

    def step() -> None:
        nn.functional.cross_entropy(net(x), y).backward()

    return step


def rate(step: Callable[[], Any]) -> float:
    step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        step()
        count += 1
    return count / (time.perf_counter() - start)


def processes(side: str, threads: int, count: int) -> float:
    """Calls a second of all of them, which start when all are ready."""
    command = [sys.executable, __file__, "--party", side, str(threads)]
    parties = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for party in parties:
        assert party.stdout
        party.stdout.readline()
    for party in parties:
        assert party.stdin
        party.stdin.write("go\n")
        party.stdin.flush()
    return sum(float(party.communicate()[0]) for party in parties)


def callers(side: str, threads: int, count: int) -> float:
    """As many Python threads of one process, each with a network of its own."""
    steps = [step_of(side, threads) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(rate, steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", nargs="*", default=["pyautograd", "torch"])
    parser.add_argument("--party", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.party:
        step = step_of(options.party[0], int(options.party[1]))
        print("ready", flush=True)
        sys.stdin.readline()
        print(rate(step))
        return
    print(f"{'':12} {'alone, /s':>10} {'2 processes':>12} {'4 processes':>12} {'16 callers':>11}")
    for side in options.sides:
        alone = processes(side, options.threads, 1)
        shares = [processes(side, options.threads, n) / alone for n in (2, 4)]
        shares.append(callers(side, options.threads, 16) / alone)
        print(f"{side:12} {alone:10.0f} {shares[0]:12.2f} {shares[1]:12.2f} {shares[2]:11.2f}")


if __name__ == "__main__":
    main()
