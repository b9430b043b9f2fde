"""The memory of large arrays: kept when they are freed, for the next ones.

A training step frees about what the next one needs. Memory that went back to the system in between
would come page by page, each page cleared at its first touch, which costs more time than many a
kernel. So results of 32 KiB and more, and what kernels need while they work, come from memory that
stays with the process: as much as was in use at once, and no more than a limit. The arrays are
ordinary ones of NumPy, which own their data; smaller ones have NumPy's own memory.
"""

from __future__ import annotations

import os

from pyautograd import _C
from pyautograd.threads import read_control_group

__all__ = ["empty_cache", "memory_stats", "reset_peak_memory_stats", "set_cache_limit"]


def memory_stats() -> dict[str, int]:
    """What large arrays and working kernels hold, and what is kept for the next ones.

    - `in_use`, `peak`: bytes in use, and the most that were at once;
    - `cached`: bytes that nobody uses and that are kept; at most `limit`;
    - `mapped`: bytes of addresses that the system has granted, with memory behind them or not;
    - `hits`, `misses`: allocations that found their memory kept, and that needed new pages. In the
      steady state of a training loop `misses` stands still.

    >>> import pyautograd as ag
    >>> x = ag.zeros(1000, 1000)
    >>> ag.memory_stats()["in_use"] >= 4_000_000
    True
    """
    stats = _C.memory_stats()
    stats["peak"] = max(stats["peak"], _earlier_peak)
    return stats


def reset_peak_memory_stats() -> None:
    """Lets `peak` of `memory_stats` start again, from what is in use now."""
    global _earlier_peak
    _earlier_peak = 0
    _C.reset_peak_memory()


_earlier_peak = 0  # the most that profiles have seen, who let the kernels' own count start again


def in_use_and_peak() -> tuple[int, int]:
    """Bytes in use, and the most since the last call; `memory_stats` counts on regardless."""
    global _earlier_peak
    stats = _C.memory_stats()
    _C.reset_peak_memory()
    peak = stats["peak"]
    if peak > _earlier_peak:
        _earlier_peak = peak
    return stats["in_use"], peak


def empty_cache() -> None:
    """Gives the memory that nobody uses back to the system, that of the C library's heap too."""
    _C.empty_cache()


def set_cache_limit(bytes: int) -> None:
    """Sets how many bytes of freed memory are kept: 0 keeps none.

    At first it is PYAUTOGRAD_CACHE_LIMIT (bytes), or else a quarter of the memory of the machine or
    of this process' control group. ValueError for a negative number.
    """
    if not isinstance(bytes, int) or isinstance(bytes, bool) or bytes < 0:
        raise ValueError(f"set_cache_limit: expected bytes, 0 or more, got {bytes!r}")
    _C.set_cache_limit(min(bytes, 2**63 - 1))


def available_memory(root: str = "/") -> int:
    """Bytes that the machine has, or that the control group of this process grants, if less."""
    granted = [
        int(text)
        for text in read_control_group("memory.max", "memory/memory.limit_in_bytes", root=root)
        if text.isdigit()
    ]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *granted])


def _check_environment() -> None:
    text = os.environ.get("PYAUTOGRAD_CACHE_LIMIT", "")
    if text and not text.isdigit():
        raise ImportError(f"PYAUTOGRAD_CACHE_LIMIT={text}: expected a number of bytes")
    set_cache_limit(int(text) if text else available_memory() // 4)


_check_environment()
