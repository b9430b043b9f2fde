"""Threads: how many by default (trap 2), fork (trap 1), beside the threads of other libraries (trap
3), and many callers at once (trap 4).
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import _C
from pyautograd.threads import available_threads


def machine(root: Path, files: dict[str, str], siblings: dict[int, str]) -> str:
    """A root folder with these control-group files and this layout of cores."""
    for cpu, line in siblings.items():
        files[f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"] = line
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


EIGHT = {i: f"{i}\n" for i in range(8)}


@pytest.mark.parametrize(
    ("files", "siblings", "cpus", "expected"),
    [
        ({}, EIGHT, set(range(8)), 8),
        ({}, EIGHT, {1, 5}, 2),  # affinity
        ({}, {i: f"{i % 4},{i % 4 + 4}\n" for i in range(8)}, set(range(8)), 4),  # two a core
        ({"sys/fs/cgroup/cpu.max": "300000 100000\n"}, EIGHT, set(range(8)), 3),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, EIGHT, set(range(8)), 8),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, EIGHT, set(range(8)), 1),
        (
            {
                "proc/self/cgroup": "0::/pod/box\n",
                "sys/fs/cgroup/pod/box/cpu.max": "200000 100000\n",
            },
            EIGHT, set(range(8)), 2,
        ),
        (
            {  # the group above grants less
                "proc/self/cgroup": "0::/pod/box\n",
                "sys/fs/cgroup/pod/cpu.max": "250000 100000\n",
                "sys/fs/cgroup/pod/box/cpu.max": "600000 100000\n",
            },
            EIGHT, set(range(8)), 2,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/box\n3:memory:/box\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            },
            EIGHT, set(range(8)), 3,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "0\n",
            },
            EIGHT, set(range(8)), 8,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            EIGHT, set(range(8)), 4,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            EIGHT, set(range(8)), 8,
        ),
    ],
)  # fmt: skip
def test_default_is_what_the_machine_grants(
    tmp_path: Path, files: dict[str, str], siblings: dict[int, str], cpus: set[int], expected: int
) -> None:
    assert available_threads(machine(tmp_path, dict(files), siblings), cpus) == expected


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("5,2", 5), ("", None), ("x", None)])
def test_the_environment_overrides(value: str, expected: int | None) -> None:
    out = subprocess.run(
        [sys.executable, "-c", "import pyautograd as ag; print(ag.get_num_threads())"],
        env={**os.environ, "OMP_NUM_THREADS": value}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert int(out.stdout) == (available_threads() if expected is None else expected)


@pytest.mark.parametrize("bad", [0, -1, 1.5, "2"])
def test_set_num_threads_wants_a_positive_integer(bad: object) -> None:
    with pytest.raises(ValueError, match="positive integer"):
        ag.set_num_threads(bad)  # type: ignore[arg-type]


def work() -> float:
    x = np.arange(400_000, dtype=np.float32) / 400_000
    return float(_C.reduce_sum(_C.elementwise["mul"](x, x), (0,), False, 1.0))


def test_op_fork_op_never_hangs() -> None:
    """Threads do not survive fork: a child starts with one, and may ask for more."""
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_threads import work
import pyautograd as ag
ag.set_num_threads(3)
expected = work()
for _ in range(1000):
    pid = os.fork()
    if pid == 0:
        ok = work() == expected and ag.get_num_threads() == 1
        ag.set_num_threads(2)
        ok = ok and work() == expected and ag.get_num_threads() == 2
        os._exit(0 if ok else 1)
    assert work() == expected
    assert os.waitpid(pid, 0)[1] == 0
print("done")
"""
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert out.stdout.strip() == "done", out.stderr


def test_many_callers_share_one_team() -> None:
    """Sixteen Python threads start no more than one team; when all is done, it sleeps (trap 5)."""
    code = """
import os, sys, time
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, sys.argv[1])
from test_threads import work
import pyautograd as ag
ag.set_num_threads(1)
expected = work()
ag.set_num_threads(3)
tasks = lambda: len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 0
before = tasks()
with ThreadPoolExecutor(16) as pool:
    assert set(pool.map(lambda _: work(), range(500))) == {expected}
time.sleep(0.1)  # so that the callers are gone
assert tasks() <= before + 2, (before, tasks())
spent = time.process_time()
time.sleep(0.5)
assert time.process_time() - spent < 0.1
print("done")
"""
    out = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert out.stdout.strip() == "done", out.stderr


def train_step(seed: int) -> list[float]:
    ag.manual_seed(seed)
    x, w = ag.randn(64, 300), ag.randn(200, 300, requires_grad=True)
    (ag.nn.functional.linear(x, w).tanh() ** 2).mean().backward()
    assert w.grad is not None
    return w.grad.numpy()[0, :3].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method: str) -> None:
    expected = train_step(7)
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map(train_step, [7, 7]) == [expected, expected]
    assert train_step(7) == expected


NEIGHBOURS = {
    "torch": """
import torch
def other():
    torch.set_num_threads(2)
    x = torch.ones(300, 300)
    return float((x @ x).sum())
""",
    "sklearn": """
from sklearn.cluster import KMeans
def other():
    points = np.random.default_rng(0).random((3000, 4))
    return KMeans(3, n_init=1, random_state=0).fit(points).inertia_
""",
}


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_beside_another_thread_pool(neighbour: str, ours_first: bool) -> None:
    """Imported in either order, taking turns, from several threads, and after a fork."""
    pytest.importorskip(neighbour)
    imports = ["from test_threads import work; import pyautograd as ag", NEIGHBOURS[neighbour]]
    code = f"""
import os, sys
import numpy as np
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, sys.argv[1])
{imports[0] if ours_first else imports[1]}
{imports[1] if ours_first else imports[0]}
ag.set_num_threads(1)
expected = work()
ag.set_num_threads(3)
there = other()
for _ in range(20):
    assert work() == expected
    assert abs(other() - there) < 1e-6 * abs(there)
with ThreadPoolExecutor(4) as pool:
    ours = [pool.submit(work) for _ in range(40)]
    theirs = [pool.submit(other) for _ in range(10)]
    assert {{x.result() for x in ours}} == {{expected}}
    assert all(abs(x.result() - there) < 1e-6 * abs(there) for x in theirs)
pid = os.fork()
if pid == 0:
    os._exit(0 if work() == expected else 1)
assert os.waitpid(pid, 0)[1] == 0
assert work() == expected
print("done")
"""
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert out.stdout.strip() == "done", out.stderr
    assert out.stderr == ""
