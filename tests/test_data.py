"""Datasets, samplers and the loader."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)


def numbers(n: int = 10) -> TensorDataset:
    return TensorDataset(ag.arange(float(n)).reshape(n, 1) * ag.ones(3), ag.arange(n))


class OneByOne(Dataset):
    """The same samples, without the fast path."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> Any:
        assert type(index) is int
        return self.dataset[index]

    def __len__(self) -> int:
        return len(self.dataset)


def test_batches() -> None:
    loader = DataLoader(numbers(), 4)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert [y.tolist() for _, y in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [x.shape for x, _ in batches] == [(4, 3), (4, 3), (2, 3)]
    assert isinstance(batches[0], list)
    dropped = DataLoader(numbers(), 4, drop_last=True)
    assert len(dropped) == len(list(dropped)) == 2
    assert len(DataLoader(numbers())) == 10


def test_batches_are_copies() -> None:
    data = numbers()
    x, _ = next(iter(DataLoader(data, 4)))
    x.fill_(7.0)
    assert data.tensors[0].numpy()[0, 0] == 0.0


def test_fast_path_gives_what_samples_give() -> None:
    split = random_split(numbers(20), [15, 5], ag.Generator().manual_seed(0))[0]
    for data in (numbers(), split, Subset(split, [3, 0, 0, 7])):
        for shuffle in (False, True):
            passes = [
                list(DataLoader(d, 4, shuffle, generator=ag.Generator().manual_seed(5)))
                for d in (data, OneByOne(data))
            ]
            for fast, slow in zip(*passes, strict=True):
                for a, b in zip(fast, slow, strict=True):
                    assert a.dtype == b.dtype
                    np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_derived_datasets_keep_their_samples() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            x, y = super().__getitem__(index)
            return x * 2, y

    data = Doubled(*numbers().tensors)
    assert next(iter(DataLoader(data, 2)))[0].tolist() == [[0.0] * 3, [2.0] * 3]
    assert next(iter(DataLoader(Subset(data, [1]), 1)))[0].tolist() == [[2.0] * 3]


def test_seeded_order() -> None:
    def order(generator: Any = None) -> list[int]:
        loader = DataLoader(numbers(), 3, shuffle=True, generator=generator)
        return [int(v) for _ in range(2) for _, y in loader for v in y.tolist()]

    a, b = order(ag.Generator().manual_seed(1)), order(ag.Generator().manual_seed(1))
    assert a == b
    assert sorted(a[:10]) == sorted(a[10:]) == list(range(10))
    assert a[:10] != a[10:]  # a new order each pass
    assert a != order(ag.Generator().manual_seed(2))
    ag.manual_seed(3)
    first = order()
    ag.manual_seed(3)
    assert order() == first


def test_batches_follow_pytorch() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils import data as theirs

    samples = [
        {"x": np.arange(3.0), "n": i, "f": i / 2, "name": str(i), "pair": (i, [float(i)])}
        for i in range(5)
    ]
    for expected, got in zip(
        theirs.DataLoader(samples, batch_size=2), DataLoader(samples, 2), strict=True
    ):
        assert got["x"].shape == tuple(expected["x"].shape)
        assert got["x"].dtype == np.float64
        assert got["n"].tolist() == expected["n"].tolist()
        assert got["f"].dtype == np.float64
        assert expected["f"].dtype == torch.float64
        assert got["name"] == expected["name"]
        assert got["pair"][0].tolist() == expected["pair"][0].tolist()
        assert got["pair"][1][0].tolist() == expected["pair"][1][0].tolist()


def test_collate() -> None:
    Point = namedtuple("Point", "x y")
    batch = default_collate([Point(1, True), Point(2, False)])
    assert type(batch) is Point
    assert batch.y.dtype == np.bool_
    assert default_collate([np.float32(1), np.float32(2)]).dtype == np.float32
    with pytest.raises(TypeError, match="got object; pass a collate_fn"):
        default_collate([object()])
    with pytest.raises(ValueError, match="different lengths"):
        default_collate([(1, 2), (1,)])
    with pytest.raises(ValueError, match="shape"):
        default_collate([ag.zeros(2), ag.zeros(3)])
    loader = DataLoader([1, 2, 3], 2, collate_fn=tuple)
    assert list(loader) == [(1, 2), (3,)]


def test_without_batches() -> None:
    samples = list(DataLoader(numbers(3), batch_size=None))
    assert [y.item() for _, y in samples] == [0, 1, 2]
    assert len(DataLoader(numbers(3), batch_size=None)) == 3
    (x,) = DataLoader([np.ones(2)], batch_size=None)
    assert isinstance(x, ag.Tensor)


def test_samplers() -> None:
    loader = DataLoader(numbers(), 2, sampler=[3, 1, 4])
    assert [y.tolist() for _, y in loader] == [[3, 1], [4]]
    loader = DataLoader(numbers(), batch_sampler=[[9], [1, 2]])
    assert [y.tolist() for _, y in loader] == [[9], [1, 2]]
    assert len(loader) == 2
    assert sorted(SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    assert len(list(RandomSampler(range(4), num_samples=10))) == 10
    drawn = list(RandomSampler(range(4), replacement=True, num_samples=50))
    assert len(drawn) == 50
    assert set(drawn) == set(range(4))
    assert len(BatchSampler(range(10), 3, True)) == 3


def test_datasets() -> None:
    data = numbers()
    assert len(data) == 10
    x, y = data[3]
    assert x.tolist() == [3.0] * 3
    assert y.item() == 3
    both = data + numbers(5)
    assert isinstance(both, ConcatDataset)
    assert len(both) == 15
    assert both[12][1].item() == 2
    assert both[-1][1].item() == 4
    with pytest.raises(IndexError):
        both[15]
    parts = random_split(range(10), [0.3, 0.7])
    assert [len(part) for part in parts] == [3, 7]
    assert sorted(v for part in parts for v in part) == list(range(10))  # type: ignore[attr-defined]
    assert list(DataLoader(TensorDataset(ag.zeros(0, 2)), 3, shuffle=True)) == []


def test_gradients_reach_the_data() -> None:
    x = ag.ones(4, 2, requires_grad=True)
    for (batch,) in DataLoader(TensorDataset(x), 3):
        batch.sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0]] * 4


def test_utils_has_pytorchs_names() -> None:
    assert ag.utils.data.DataLoader is DataLoader
    assert ag.utils.data.TensorDataset is TensorDataset


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: DataLoader(numbers(), num_workers=2), ValueError, "num_workers=2 is not"),
        (lambda: DataLoader(numbers(), 0), ValueError, "positive batch_size, got 0"),
        (lambda: DataLoader(numbers(), 2.5), ValueError, "positive batch_size, got 2.5"),  # type: ignore[arg-type]
        (lambda: DataLoader(iter([1])), TypeError, "__getitem__ and __len__"),
        (lambda: DataLoader(numbers(), shuffle=True, sampler=[1]), ValueError, "not both"),
        (lambda: DataLoader(numbers(), 2, batch_sampler=[[1]]), ValueError, "stands for"),
        (lambda: DataLoader(numbers(), None, drop_last=True), ValueError, "needs a batch_size"),
        (lambda: TensorDataset(), ValueError, "at least one"),
        (lambda: TensorDataset(ag.zeros(2), ag.zeros(3)), ValueError, r"\(2,\), \(3,\)"),
        (lambda: TensorDataset(ag.tensor(1.0)), ValueError, "common first dimension"),
        (lambda: random_split(range(5), [2, 2]), ValueError, "add up to the 5"),
        (lambda: random_split(range(5), [6, -1]), ValueError, "add up to the 5"),
        (lambda: list(DataLoader(numbers(), sampler=[10])), IndexError, "10"),
    ],
)
def test_errors(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


class Odd(IterableDataset):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Any:
        return iter(range(1, 2 * self.n, 2))

    def __len__(self) -> int:
        return self.n


def test_iterable_datasets() -> None:
    loader = DataLoader(Odd(5), batch_size=2)
    assert [b.tolist() for b in loader] == [b.tolist() for b in loader] == [[1, 3], [5, 7], [9]]
    assert len(loader) == 3
    assert [b.tolist() for b in DataLoader(Odd(5), 2, drop_last=True)] == [[1, 3], [5, 7]]
    assert len(DataLoader(Odd(5), 2, drop_last=True)) == 2
    assert list(DataLoader(Odd(3), None)) == [1, 3, 5]
    assert list(DataLoader(Odd(4), 3, collate_fn=sum)) == [9, 7]
    both = Odd(2) + Odd(1)
    assert isinstance(both, ChainDataset)
    assert list(both) == [1, 3, 1]
    assert len(both) == 3
    with pytest.raises(ValueError, match="IterableDataset come in their own order"):
        DataLoader(Odd(3), shuffle=True)
    with pytest.raises(TypeError, match="ChainDataset: expected IterableDatasets, got range"):
        list(ChainDataset([range(3)]))
    with pytest.raises(NotImplementedError, match="IterableDataset has no __iter__"):
        iter(IterableDataset())


def test_stacked_datasets() -> None:
    pairs = StackDataset(range(3), numbers(3))
    assert len(pairs) == 3
    assert pairs[2][0] == 2
    named = StackDataset(a=range(3), b="xyz")
    assert named[1] == {"a": 1, "b": "y"}
    batch = next(iter(DataLoader(named, 2)))
    assert batch["a"].tolist() == [0, 1]
    assert batch["b"] == ["x", "y"]
    with pytest.raises(ValueError, match=r"datasets of one length, got \[3, 2\]"):
        StackDataset(range(3), range(2))
    with pytest.raises(ValueError, match="StackDataset: expected datasets as arguments"):
        StackDataset()


def test_weighted_sampler() -> None:
    weights = ag.tensor([1.0, 0.0, 3.0])
    sampler = WeightedRandomSampler(weights, 4000, generator=ag.Generator().manual_seed(0))
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == 4000
    assert set(drawn) == {0, 2}
    assert abs(drawn.count(2) / 4000 - 0.75) < 0.03
    assert list(sampler) != drawn
    once = WeightedRandomSampler([1.0, 0.0, 3.0, 2.0], 3, replacement=False)
    assert sorted(once) == [0, 2, 3]
    for bad, count in (([], 1), ([-1.0, 2.0], 1), ([0.0, 0.0], 1), ([np.nan], 1), ([1.0], 0)):
        with pytest.raises(ValueError, match="WeightedRandomSampler"):
            WeightedRandomSampler(bad, count)
    with pytest.raises(ValueError, match="cannot draw 3 of 2 samples"):
        WeightedRandomSampler([1.0, 0.0, 3.0], 3, replacement=False)
