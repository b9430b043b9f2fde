"""What this machine can do: arithmetic in registers, and copies by size, measured in 0.2 s."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np

from pyautograd import _C
from pyautograd.cost import Cost
from pyautograd.threads import get_num_threads

_SIZES = tuple(2**n for n in range(10, 27, 2))  # bytes copied: 1 KiB to 64 MiB
_TRIAL = 0.005  # seconds for each size; arithmetic, which needs the cores awake, gets more


class Limits(NamedTuple):
    """The limits of this machine, with so many threads.

    flops: multiplications and additions a second, by the bytes of a number (4 or 8).
    copies: seconds that a copy of so many bytes takes, in order of size.
    """

    threads: int
    isa: str
    flops: dict[int, float]
    copies: tuple[tuple[int, float], ...]

    @property
    def bandwidth(self) -> float:
        """Bytes read and written a second by a copy in main memory."""
        size, seconds = self.copies[-1]
        return 2 * size / seconds

    def seconds(self, cost: Cost, itemsize: int = 4) -> float:
        """The least time for that: its arithmetic in registers, or a copy of as many bytes.

        Whichever takes longer. A copy of what fits into a cache is as fast as that cache.
        """
        arithmetic = cost.flops / self.flops.get(itemsize, self.flops[4])
        return max(arithmetic, self._copy(cost.bytes / 2))

    def _copy(self, size: float) -> float:
        """Seconds to copy that many bytes, between the sizes that were measured."""
        (least, first), (most, last) = self.copies[0], self.copies[-1]
        if size <= least:
            return first * size / least
        if size >= most:
            return last * size / most
        for (a, before), (b, after) in zip(self.copies, self.copies[1:], strict=False):
            if size <= b:
                share = math.log(size / a) / math.log(b / a)
                return before * (after / before) ** share
        raise AssertionError(size)


def machine_limits() -> Limits:
    """The limits with the threads that kernels use now; measured once for each number of them."""
    return _measured(get_num_threads(), _C.isa())


@functools.cache
def _measured(threads: int, isa: str) -> Limits:
    work = 1_000_000 * threads
    flops = {n: work / _best(partial(_C.run_fma, work, n == 4), 8 * _TRIAL) for n in (4, 8)}
    source = np.ones(_SIZES[-1], np.uint8)
    target = np.ones_like(source)
    copies = [(n, _best(partial(_C.copy_bytes, target[:n], source[:n]))) for n in _SIZES]
    return Limits(threads, isa, flops, tuple(copies))


def _best(work: Callable[[], None], trial: float = _TRIAL) -> float:
    """The shortest of several runs, in seconds."""
    best, end = math.inf, perf_counter() + trial
    runs = 0
    while runs < 3 or perf_counter() < end:
        start = perf_counter()
        work()
        best = min(best, perf_counter() - start)
        runs += 1
    return best
