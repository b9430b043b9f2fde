"""Memory over long runs, and the cost of deep graphs. Each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads the resident size from /proc"
)

RESIDENT = """
import gc, os, resource, time
import numpy as np
import pyautograd as ag
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
"""


def run(program: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT + program], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [float(x) for x in done.stdout.split()]


STEPS: dict[str, str] = {
    "network": """
net = ag.nn.Sequential(ag.nn.Linear(2, 16), ag.nn.ReLU(), ag.nn.Linear(16, 16), ag.nn.ReLU(),
                       ag.nn.Linear(16, 2))
optimizer = ag.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
x, y = ag.randn(32, 2), ag.randint(0, 2, (32,))
def step():
    optimizer.zero_grad()
    ag.nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
    "everything else": """
class Cube(ag.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x ** 3
        ctx.save_for_backward(x, y)
        return y, x * 1.0
    @staticmethod
    def backward(ctx, g, h):
        return g * 3 * ctx.saved_tensors[0] ** 2 + h
from pyautograd.utils.checkpoint import checkpoint
w = ag.ones(4, 4, requires_grad=True)
layer = ag.nn.Linear(4, 4)
layer.register_full_backward_hook(lambda m, gi, go: None)
def step():
    a, b = Cube.apply(w)
    v = b[1:]
    v.mul_(2.0)
    b += a
    b.retain_grad()
    b.register_hook(lambda g: g * 2)
    c = checkpoint(lambda t: (layer(t) * t).tanh(), b)
    (g,) = ag.autograd.grad(c.sum(), w, create_graph=True)
    (g * g).sum().backward()
    w.grad = None
""",
}


@pytest.mark.parametrize("name", list(STEPS))
def test_steps_do_not_grow(name: str) -> None:
    """With the garbage collector off: so no cycle is made either."""
    count = 100_000 if name == "network" else 5_000
    before, after = run(
        STEPS[name]
        + f"""
gc.collect()
gc.disable()
for _ in range(1_000): step()
before = resident()
for _ in range({count}): step()
print(before, resident())
"""
    )
    assert after < before + 1.0, f"{before:.1f} MiB after 1,000 steps, {after:.1f} MiB later"


def test_deep_graphs() -> None:
    """Time in proportion to the length, and memory within 1.2 GB for a million nodes."""
    *seconds, peak = run(
        """
b = ag.ones(1, requires_grad=True)
def chain(length):
    x = b
    for _ in range(length):
        x = x * b
    start = time.perf_counter()
    x.backward()
    return time.perf_counter() - start
gc.disable()
chain(1_000)
for length in (10_000, 100_000, 1_000_000):
    print(min(chain(length) for _ in range(3 if length < 1_000_000 else 1)) / length * 1e6)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""
    )
    assert peak < 1.2
    assert max(seconds) < 3 * min(seconds), f"us a node: {seconds}"
