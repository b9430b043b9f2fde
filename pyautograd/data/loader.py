"""DataLoader: a dataset in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.data.dataset import IterableDataset, Subset, TensorDataset
from pyautograd.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from pyautograd.ops.random import Generator
from pyautograd.ops.shape import stack
from pyautograd.tensor import Tensor, tensor


def default_collate(batch: list[Any]) -> Any:
    """Samples as a batch: tensors and arrays stacked, numbers as a tensor.

    Tuples and lists become a list of batches, dicts a dict of batches; strings stay a list.
    Python floats give float64 and ints int64, as in PyTorch.

    >>> import pyautograd as ag
    >>> ag.data.default_collate([(1, "one"), (2, "two")])
    [tensor([1, 2]), ['one', 'two']]
    """
    if not batch:
        raise ValueError("default_collate: expected at least one sample")
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        return tensor(_C.cached(np.stack, batch))
    if isinstance(first, (bool, int)):
        return tensor(batch)
    if isinstance(first, float):
        return tensor(batch, np.float64)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({len(sample) for sample in batch}) != 1:
            raise ValueError("default_collate: the samples of a batch have different lengths")
        columns = [default_collate(list(column)) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        "default_collate: expected tensors, arrays, numbers, strings, or tuples, lists and dicts "
        f"of them, got {type(first).__name__}; pass a collate_fn"
    )


def _convert(sample: Any) -> Any:
    """A sample outside a batch: arrays become tensors."""
    if isinstance(sample, np.ndarray):
        return tensor(sample)
    if isinstance(sample, Mapping):
        return {key: _convert(value) for key, value in sample.items()}
    if isinstance(sample, (tuple, list)):
        return [_convert(value) for value in sample]
    return sample


def _taker(dataset: Any) -> Callable[[Any], Any] | None:
    """How to take a batch at once, where that gives what samples one by one would give."""
    if isinstance(dataset, TensorDataset) and (
        type(dataset).__getitem__ is TensorDataset.__getitem__
    ):
        return dataset.take
    if isinstance(dataset, Subset) and type(dataset).__getitem__ is Subset.__getitem__:
        take = _taker(dataset.dataset)
        if take is not None:
            numbers = np.asarray(dataset.indices, np.int64)
            return lambda indices: take(numbers[indices])
    return None


class DataLoader:
    """Goes through a dataset in batches; each `iter` is one pass.

    dataset: anything with `__getitem__` and `__len__`, or an IterableDataset. A sample (x, y) of a
        TensorDataset gives batches [(N, ...), (N, ...)], which are copies.
    batch_size: None gives samples rather than batches.
    shuffle: a new random order for each pass, from `generator` (the default one unless given).
    sampler: sample numbers in place of `shuffle`; batch_sampler: lists of them.
    collate_fn: makes a batch of a list of samples; `default_collate` unless given.
    drop_last: leaves out a last batch that is smaller.
    num_workers: 0; samples are made where the loop runs. pin_memory: taken and ignored.

    >>> import pyautograd as ag
    >>> data = ag.data.TensorDataset(ag.zeros(10, 3), ag.arange(10))
    >>> loader = ag.data.DataLoader(data, batch_size=4)
    >>> len(loader)
    3
    >>> for x, y in loader:
    ...     print(x.shape, y)
    (4, 3) tensor([0, 1, 2, 3])
    (4, 3) tensor([4, 5, 6, 7])
    (2, 3) tensor([8, 9])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        *,
        generator: Generator | None = None,
    ) -> None:
        if num_workers:
            raise ValueError(
                f"DataLoader: num_workers={num_workers} is not supported; samples are made where "
                "the loop runs (num_workers=0)"
            )
        iterable = isinstance(dataset, IterableDataset)
        if iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: the samples of an IterableDataset come in their own order, without "
                "shuffle, sampler or batch_sampler"
            )
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            raise TypeError(
                "DataLoader: expected a dataset with __getitem__ and __len__, got "
                f"{type(dataset).__name__}"
            )
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: give shuffle or a sampler, not both")
        if batch_sampler is not None and (
            batch_size != 1 or shuffle or sampler is not None or drop_last
        ):
            raise ValueError(
                "DataLoader: a batch_sampler stands for batch_size, shuffle, sampler and drop_last"
            )
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: drop_last needs a batch_size")
        self.dataset = dataset
        self.num_workers = 0
        self.pin_memory = pin_memory
        self.generator = generator
        self.drop_last = drop_last
        self.collate_fn = collate_fn
        if sampler is None and not iterable:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        self.sampler = sampler
        self.batch_sampler: Iterable[list[int]] | None
        if batch_sampler is not None:
            self.batch_size, self.batch_sampler = None, batch_sampler
        else:
            self.batch_size = batch_size
            self.batch_sampler = (
                None
                if batch_size is None or iterable
                else BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
            )

    def __len__(self) -> int:
        """The number of batches (or of samples, without a batch size)."""
        if self.sampler is None and self.batch_sampler is None:
            count = len(self.dataset)  # TypeError where it does not know
            if self.batch_size is None:
                return count
            return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        dataset, collate = self.dataset, self.collate_fn
        if self.batch_sampler is None and self.sampler is None:
            yield from self._in_order()
            return
        if self.batch_sampler is None:
            assert self.sampler is not None
            for index in self.sampler:
                sample = dataset[index]
                yield _convert(sample) if collate is None else collate(sample)
            return
        take = _taker(dataset) if collate is None else None
        if take is not None:
            for batch in self.batch_sampler:
                yield take(np.asarray(batch, np.int64))
            return
        collate = collate or default_collate
        for batch in self.batch_sampler:
            yield collate([dataset[index] for index in batch])

    def _in_order(self) -> Iterator[Any]:
        """The samples of an IterableDataset, or batches of them."""
        samples, size = iter(self.dataset), self.batch_size
        if size is None:
            convert = self.collate_fn or _convert
            yield from map(convert, samples)
            return
        collate = self.collate_fn or default_collate
        while batch := list(itertools.islice(samples, size)):
            if len(batch) == size or not self.drop_last:
                yield collate(batch)
