"""How many threads kernels use: what the machine grants, unless someone says otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from pyautograd import _C


def _quota(root: Path) -> float:
    """CPUs that the control groups of this process grant (versions 1 and 2), or infinity."""
    limit = float("inf")
    groups = {""}
    try:
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            groups.add(line.split(":", 2)[2].strip("/"))
    except (OSError, IndexError):
        pass
    base = root / "sys/fs/cgroup"
    for group in groups:
        folder = base / group
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                limit = min(limit, int(quota) / int(period))
        except (OSError, ValueError):
            pass
        folder = base / "cpu" / group
        try:
            quota_us = int((folder / "cpu.cfs_quota_us").read_text())
            if quota_us > 0:
                limit = min(limit, quota_us / int((folder / "cpu.cfs_period_us").read_text()))
        except (OSError, ValueError):
            pass
    return limit


def _physical_cores(root: Path, cpus: set[int]) -> int:
    """Distinct cores among these logical CPUs."""
    cores = set()
    for cpu in cpus:
        path = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        try:
            cores.add(path.read_text().strip())
        except OSError:
            cores.add(str(cpu))
    return len(cores)


def available_threads(root: str = "/", cpus: set[int] | None = None) -> int:
    """The least of: cores this process may run on, and what its control group grants.

    Two threads of one core share its arithmetic units, so they count once. `root` and `cpus`
    stand in for the machine's in tests.
    """
    if cpus is None:
        cpus = (
            os.sched_getaffinity(0)
            if hasattr(os, "sched_getaffinity")
            else set(range(os.cpu_count() or 1))
        )
    cores = _physical_cores(Path(root), cpus)
    return max(1, int(min(cores, _quota(Path(root)))))


def set_num_threads(n: int) -> None:
    """Sets how many threads kernels use. Results do not depend on it, to the bit."""
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: expected a positive integer, got {n!r}")
    _C.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads kernels use (1 without OpenMP, and in a child forked from a busy parent)."""
    return _C.num_threads()


def _initial() -> int:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else available_threads()


_C.set_num_threads(_initial())
