"""Datasets: anything with a length whose items are samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pyautograd.ops.random import Generator, default_generator
from pyautograd.tensor import Tensor, as_tensor, wrap


class Dataset:
    """The base of datasets: derive from it and write `__getitem__` and `__len__`.

    >>> import pyautograd as ag
    >>> class Squares(ag.data.Dataset):
    ...     def __getitem__(self, i):
    ...         return i, i * i
    ...
    ...     def __len__(self):
    ...         return 5
    >>> next(iter(ag.data.DataLoader(Squares(), batch_size=3)))
    [tensor([0, 1, 2]), tensor([0, 1, 4])]
    """

    def __getitem__(self, index: int) -> Any:
        """The sample of that number."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__()")

    def __len__(self) -> int:
        """The number of samples."""
        raise NotImplementedError(f"{type(self).__name__} has no __len__()")

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Tensors (or arrays) with a common first dimension; sample i is the tuple of their rows i.

    >>> import pyautograd as ag
    >>> data = ag.data.TensorDataset(ag.zeros(10, 3), ag.arange(10))
    >>> len(data), data[4]
    (10, (tensor([0., 0., 0.]), tensor(4)))
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple([as_tensor(t) for t in tensors])
        if not self.tensors:
            raise ValueError("TensorDataset: expected at least one tensor")
        shapes = [t.shape for t in self.tensors]
        if not all(shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(
                f"TensorDataset: expected a common first dimension, got shapes {shapes}"
            )

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple([t[index] for t in self.tensors])

    def __len__(self) -> int:
        return self.tensors[0].shape[0]

    def take(self, indices: Any) -> list[Tensor]:
        """The samples of these numbers as one batch, a copy: one gather a tensor."""
        return [
            wrap(t._array[indices]) if t._node is None else t[wrap(indices)] for t in self.tensors
        ]


class StackDataset(Dataset):
    """Datasets of one length side by side: sample i is the tuple (or dict) of their samples i.

    >>> import pyautograd as ag
    >>> ag.data.StackDataset(image=[5, 6, 7], label=[0, 1, 0])[1]
    {'image': 6, 'label': 1}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: expected datasets as arguments, or as named ones")
        self.datasets: Any = kwargs or args
        lengths = [len(dataset) for dataset in (kwargs.values() if kwargs else args)]
        if len(set(lengths)) != 1:
            raise ValueError(f"StackDataset: expected datasets of one length, got {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __len__(self) -> int:
        return self._length


class IterableDataset(Dataset):
    """The base of datasets without numbers: derive from it and write `__iter__`.

    A DataLoader takes its samples in their order.

    >>> import pyautograd as ag
    >>> class Squares(ag.data.IterableDataset):
    ...     def __iter__(self):
    ...         return (i * i for i in range(5))
    >>> list(ag.data.DataLoader(Squares(), batch_size=3))
    [tensor([0, 1, 4]), tensor([ 9, 16])]
    """

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")

    def __len__(self) -> int:
        """The number of samples, where a derived class knows it. TypeError here."""
        raise TypeError(f"{type(self).__name__} has no __len__()")  # list() asks, and goes on

    def __add__(self, other: Any) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class ChainDataset(IterableDataset):
    """Iterable datasets one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset: expected IterableDatasets, got {type(dataset).__name__}"
                )
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


class Subset(Dataset):
    """The samples of a dataset that have these numbers, in this order."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Several datasets one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one dataset")
        self._ends = np.cumsum([len(dataset) for dataset in self.datasets])

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {n} samples")
        index %= n
        which = int(np.searchsorted(self._ends, index, side="right"))
        return self.datasets[which][index - (int(self._ends[which - 1]) if which else 0)]

    def __len__(self) -> int:
        return int(self._ends[-1])


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Random parts of a dataset that share no sample.

    lengths: numbers of samples that add up to all, or fractions that add up to 1 (what rounding
    leaves goes to the first parts, one each).

    >>> import pyautograd as ag
    >>> [len(part) for part in ag.data.random_split(range(11), [0.5, 0.5])]
    [6, 5]
    """
    n = len(dataset)
    if math.isclose(math.fsum(lengths), 1.0) and any(part != int(part) for part in lengths):
        if any(not 0.0 <= part <= 1.0 for part in lengths):
            raise ValueError(f"random_split: expected fractions in [0, 1], got {list(lengths)}")
        sizes = [math.floor(n * part) for part in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(part) for part in lengths]
        if sizes != list(lengths) or sum(sizes) != n or min(sizes, default=0) < 0:
            raise ValueError(
                f"random_split: lengths {list(lengths)} do not add up to the {n} samples"
            )
    order = (generator or default_generator).draw("permutation", n).tolist()
    ends = np.cumsum([0, *sizes]).tolist()
    return [Subset(dataset, order[begin:end]) for begin, end in itertools.pairwise(ends)]
