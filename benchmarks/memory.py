"""Memory of training steps: page faults in steady state and the peak of the resident size.

    python benchmarks/memory.py
    python benchmarks/memory.py --only vgg --steps 20

Each side runs each network in a process of its own. "step" is what training adds to the resident
size that the process had after its imports: parameters, optimiser state, activations, caches.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from typing import Any

SIDES = ("pyautograd", "torch")


def mlp(nn: Any) -> tuple[Any, tuple[int, ...]]:
    layers = [nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(1024, 10)), (256, 784)


def lenet(nn: Any) -> tuple[Any, tuple[int, ...]]:
    layers = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    layers += [nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 10)]
    return nn.Sequential(*layers), (64, 1, 28, 28)


def vgg(nn: Any) -> tuple[Any, tuple[int, ...]]:
    layers, channels = [], 3
    for width in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 10)), (64, 3, 32, 32)


NETWORKS = {build.__name__: build for build in (mlp, lenet, vgg)}


def status(name: str) -> int:
    """Bytes that /proc says: VmRSS, the resident size, or VmHWM, the largest so far."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name))


def measure(side: str, network: str, steps: int) -> dict[str, float]:
    import resource

    lib, nn = importlib.import_module(side), importlib.import_module(f"{side}.nn")
    optim = importlib.import_module(f"{side}.optim")
    before = status("VmRSS")
    lib.manual_seed(0)
    model, shape = NETWORKS[network](nn)
    optimizer = optim.Adam(model.parameters())
    x, y = lib.randn(*shape), lib.randint(0, 10, (shape[0],))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    def faults() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    for _ in range(5):
        step()
    count, start = faults(), time.perf_counter()
    for _ in range(steps):
        step()
    spent = time.perf_counter() - start
    peak = status("VmHWM")
    return {
        "ms": spent / steps * 1e3,
        "faults": (faults() - count) / steps,
        "peak": peak / 1e6,
        "step": (peak - before) / 1e6,
    }


def measured_apart(side: str, network: str, steps: int, threads: int) -> dict[str, float] | None:
    done = subprocess.run(
        [sys.executable, __file__, "--side", side, "--only", network, "--steps", str(steps)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(f"{side}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.only, options.steps)))
        return
    rows = {
        (name, side): measured_apart(side, name, options.steps, options.threads)
        for name in NETWORKS
        if options.only in name
        for side in SIDES
    }
    if options.json:
        print(json.dumps([{"network": n, "side": s, **(r or {})} for (n, s), r in rows.items()]))
        return
    print(f"{'network':8} {'':10} {'ms/step':>9} {'faults/step':>12} {'peak MB':>9} {'step MB':>9}")
    for (name, side), row in rows.items():
        if row:
            print(
                f"{name:8} {side:10} {row['ms']:9.2f} {row['faults']:12.1f} "
                f"{row['peak']:9.1f} {row['step']:9.1f}"
            )


if __name__ == "__main__":
    main()
