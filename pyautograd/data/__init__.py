"""Datasets, samplers, and the loader that makes batches of them."""

from pyautograd.data.cifar import load_cifar10
from pyautograd.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from pyautograd.data.digits import load_digits
from pyautograd.data.idx import load_mnist
from pyautograd.data.images import ImageSet
from pyautograd.data.loader import DataLoader, default_collate
from pyautograd.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
    "DataLoader",
    "default_collate",
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "ImageSet",
    "load_cifar10",
    "load_digits",
    "load_mnist",
]
