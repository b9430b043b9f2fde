"""How many threads kernels use: what the machine grants, unless someone says otherwise."""

from __future__ import annotations

import os

from pyautograd import _C


def _read(*path: str) -> str:
    """The text of a small file; nothing where there is none."""
    try:
        with open(os.path.join(*path)) as file:  # pathlib would be slow to load
            return file.read()
    except OSError:
        return ""


def _ratio(quota: str, period: str) -> float:
    """CPUs that a quota in microseconds a period means; "max" and "-1" are no limit."""
    known = quota.isdigit() and period.isdigit() and int(period) > 0
    return int(quota) / int(period) if known else float("inf")


def read_control_group(*files: str, root: str = "/") -> list[str]:
    """The texts of those files, below /sys/fs/cgroup, of the groups this process belongs to.

    A file is named as version 2 has it (`cpu.max`), or with the controller's folder of version 1
    (`cpu/cpu.cfs_quota_us`). A container often shows its own group as the root.
    """
    lines = [line.split(":", 2) for line in _read(root, "proc/self/cgroup").split()]
    groups = {""}
    for line in lines:  # limits of the groups above hold too
        parts = line[-1].strip("/").split("/")
        groups.update("/".join(parts[: i + 1]) for i in range(len(parts)))
    texts = []
    for file in files:
        controller, name = os.path.split(file)
        for group in sorted(groups):
            texts.append(_read(root, "sys/fs/cgroup", controller, group, name).strip())
    return texts


def _quota(root: str) -> float:
    """CPUs that the control groups of this process grant (versions 1 and 2), or infinity."""
    limits = [float("inf")]
    for text in read_control_group("cpu.max", root=root):
        limits.append(_ratio(*text.partition(" ")[::2]))
    for controller in ("cpu", "cpu,cpuacct"):
        quotas = read_control_group(f"{controller}/cpu.cfs_quota_us", root=root)
        periods = read_control_group(f"{controller}/cpu.cfs_period_us", root=root)
        limits.extend(map(_ratio, quotas, periods))
    return min(limits)


def _physical_cores(root: str, cpus: set[int]) -> int:
    """Distinct cores among these logical CPUs."""
    siblings = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return len({_read(root, siblings.format(cpu)).strip() or str(cpu) for cpu in cpus})


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
    cores = _physical_cores(root, cpus)
    return max(1, int(min(cores, _quota(root))))


def set_num_threads(n: int) -> None:
    """Sets how many threads kernels use. Results do not depend on it, to the bit."""
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: expected a positive integer, got {n!r}")
    _C.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads kernels use (1 at first in a process forked from one that used several).

    They are one team for the process: of several Python threads that run kernels at the same time,
    one has the team, and the others work alone.
    """
    return _C.num_threads()


def _initial() -> int:
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else available_threads()


_C.set_num_threads(_initial())
