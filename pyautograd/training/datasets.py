"""Which data set a folder holds, told by the files in it."""

from __future__ import annotations

from pathlib import Path

from pyautograd.data.cifar import TEST_FILE, TRAIN_FILES, load_cifar10
from pyautograd.data.digits import load_digits
from pyautograd.data.idx import find_idx, load_mnist
from pyautograd.data.images import ImageSet
from pyautograd.training.settings import RunError


def load_images(data: str) -> ImageSet:
    """The digits for an empty name, else what the folder holds. Raises RunError."""
    try:
        if not data:
            return load_digits()
        folder = Path(data)
        if not folder.is_dir():
            raise RunError(f"--data: {data} is {'no folder' if folder.exists() else 'not there'}")
        if any(find_idx(folder, f"{part}-images-idx3-ubyte") for part in ("train", "t10k")):
            return load_mnist(folder)
        if any((folder / name).is_file() for name in (*TRAIN_FILES, TEST_FILE)):
            return load_cifar10(folder)
    except (OSError, ImportError, ValueError) as error:
        raise RunError(str(error)) from error
    if (folder / "data_batch_1").is_file():
        raise RunError(f"--data: {data} holds CIFAR-10's Python version; get the binary version")
    raise RunError(
        f"--data: {data} holds neither MNIST's files (train-images-idx3-ubyte[.gz], ...) "
        "nor CIFAR-10's (data_batch_1.bin, ...)"
    )
