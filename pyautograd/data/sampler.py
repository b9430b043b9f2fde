"""Samplers: the order in which samples are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from pyautograd.ops.random import Generator, default_generator


class Sampler:
    """The base of samplers: an iterable of sample numbers, with a length."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")


class SequentialSampler(Sampler):
    """0, 1, 2, ..."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """All samples in random order; or `num_samples`, with `replacement` drawn independently."""

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if num_samples is not None and num_samples < 1:
            raise ValueError(f"RandomSampler: expected a positive num_samples, got {num_samples}")
        self.data_source = data_source
        self.replacement = replacement
        self.generator = generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many samples one pass takes."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        generator = self.generator or default_generator
        n, left = len(self.data_source), self.num_samples if len(self.data_source) else 0
        if self.replacement:
            yield from generator.draw("integers", 0, n, size=left).tolist() if left else ()
            return
        while left > 0:  # as many permutations as it takes
            order = generator.draw("permutation", n)[:left]
            left -= len(order)
            yield from order.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given numbers in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = (self.generator or default_generator).draw("permutation", len(self.indices))
        return (self.indices[i] for i in order.tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """`num_samples` numbers from 0 to n-1, each drawn with a probability in ratio to its weight.

    weights: n numbers of at least 0, whose sum need not be 1. Without `replacement`, none twice.

    >>> import pyautograd as ag
    >>> list(ag.data.WeightedRandomSampler([0.0, 0.0, 2.5], 4))
    [2, 2, 2, 2]
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        name = "WeightedRandomSampler"
        given = np.asarray(weights, np.float64)
        if given.ndim != 1 or not (given >= 0).all() or not 0 < given.sum() < np.inf:
            raise ValueError(
                f"{name}: expected weights (n,) of at least 0 with a finite sum above 0, got "
                f"shape {given.shape}"
            )
        if num_samples < 1 or (not replacement and num_samples > np.count_nonzero(given)):
            raise ValueError(
                f"{name}: cannot draw {num_samples} of {np.count_nonzero(given)} samples of a "
                f"weight above 0"
            )
        self.weights = given
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        shares = self.weights / self.weights.sum()
        drawn = (self.generator or default_generator).draw(
            "choice", len(shares), self.num_samples, self.replacement, shares
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` numbers from another sampler; a smaller last one unless `drop_last`.

    >>> import pyautograd as ag
    >>> list(ag.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"BatchSampler: expected a positive batch_size, got {batch_size!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = bool(drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
