"""Readers of image files, on small files made here in the formats of MNIST and CIFAR-10."""

import gzip
import re
import struct

import numpy as np
import pytest
from image_files import MNIST_FILES, MNIST_TEST, idx_bytes, write_cifar, write_mnist

from pyautograd.data import load_cifar10, load_digits, load_mnist
from pyautograd.data.cifar import TEST_FILE, TRAIN_FILES
from pyautograd.data.idx import read_idx
from pyautograd.training.datasets import load_images
from pyautograd.training.settings import RunError

# ---- digits --------------------------------------------------------------------------------------


def test_digits_are_split_by_class_and_always_alike():
    digits = load_digits()
    assert digits.train_images.shape == (1442, 1, 8, 8)
    assert digits.test_images.shape == (355, 1, 8, 8)
    assert digits.train_images.dtype == np.float32
    assert digits.train_labels.dtype == np.int64
    assert digits.train_images.min() == 0
    assert digits.train_images.max() == 1
    shares = np.bincount(digits.test_labels) / np.bincount(
        np.concatenate([digits.train_labels, digits.test_labels])
    )
    assert np.all(np.abs(shares - 0.2) < 0.005)
    again = load_digits()
    np.testing.assert_array_equal(digits.test_images, again.test_images)


# ---- MNIST ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_mnist(tmp_path, suffix):
    images, labels, test_images, test_labels = write_mnist(tmp_path, suffix=suffix)
    data = load_mnist(tmp_path)
    assert data.train_images.shape == (20, 1, 28, 28)
    assert data.train_images.dtype == np.float32
    np.testing.assert_array_equal(data.train_images[:, 0], (images / 255).astype(np.float32))
    np.testing.assert_array_equal(data.train_labels, labels)
    np.testing.assert_array_equal(data.test_images[:, 0], (test_images / 255).astype(np.float32))
    np.testing.assert_array_equal(data.test_labels, test_labels)


def test_names_with_a_dot_and_files_unpacked_under_their_old_name(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_FILES[0]).rename(tmp_path / "train-images.idx3-ubyte")
    (tmp_path / MNIST_FILES[1]).rename(tmp_path / (MNIST_FILES[1] + ".gz"))
    assert len(load_mnist(tmp_path).train_labels) == 20


GOOD = idx_bytes(np.zeros((3, 4, 5)))
BROKEN = {
    "empty": (b"", "expected an IDX file .* starts with 00 00 08 03; found an empty file"),
    "wrong kind": (b"<html>not found</html>", "expected an IDX file .*; found 3c 68 74 6d"),
    "labels": (idx_bytes(np.zeros(5)), "expected .* 3 dimensions, .* 08 03; found 00 00 08 01"),
    "floats": (b"\0\0\x0d\x03" + GOOD[4:], "expected .* unsigned bytes .*; found 00 00 0d 03"),
    "header": (GOOD[:10], "cut short: expected a header of 16 bytes, found 10"),
    "cut short": (GOOD[:-7], r"cut short: the header announces \(3, 4, 5\), 60 bytes; 53 follow"),
    "too long": (GOOD + b"x", r"too long: the header announces \(3, 4, 5\), 60 bytes; more follow"),
    "huge": (struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "cut short: .*; 0 follow"),
}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_idx_file_is_named_with_what_was_expected_and_found(tmp_path, case, compressed):
    contents, message = BROKEN[case]
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(contents) if compressed else contents)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: {message}"):
        read_idx(path, 3)


@pytest.mark.parametrize("damage", ["cut", "flip", "checksum"])
def test_a_damaged_gzip_file(tmp_path, damage):
    contents = bytearray(gzip.compress(idx_bytes(np.arange(600).reshape(6, 10, 10) % 251)))
    if damage == "cut":
        del contents[len(contents) // 2 :]
    elif damage == "flip":
        contents[40:60] = b"\xff" * 20
    else:
        contents[-6] ^= 1
    path = tmp_path / "file.gz"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}: damaged or cut short"):
        read_idx(path, 3)


def test_counts_that_do_not_match(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_FILES[1]).write_bytes(idx_bytes(np.zeros(19)))
    with pytest.raises(ValueError, match=r"train-labels.*: 19 labels for 20 images in .*images"):
        load_mnist(tmp_path)


def test_labels_out_of_range(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_TEST[1]).write_bytes(idx_bytes([0] * 7 + [10] + [0] * 2))
    with pytest.raises(ValueError, match="expected labels 0 to 9, found 10 at position 7"):
        load_mnist(tmp_path)


def test_test_images_of_another_size(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_TEST[0]).write_bytes(idx_bytes(np.zeros((10, 8, 8))))
    with pytest.raises(ValueError, match=r"\(28, 28\) pixels, but test images of \(8, 8\)"):
        load_mnist(tmp_path)


def test_no_images(tmp_path):
    write_mnist(tmp_path, train=0)
    with pytest.raises(ValueError, match=r"train-images.*holds no images"):
        load_mnist(tmp_path)


def test_a_missing_file(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_TEST[1]).unlink()
    with pytest.raises(FileNotFoundError, match="no file t10k-labels-idx1-ubyte"):
        load_mnist(tmp_path)


# ---- CIFAR-10 ------------------------------------------------------------------------------------


def test_cifar(tmp_path):
    files = write_cifar(tmp_path)
    data = load_cifar10(tmp_path)
    assert data.train_images.shape == (20, 3, 32, 32)
    assert data.test_images.shape == (4, 3, 32, 32)
    third = files[TRAIN_FILES[2]]
    np.testing.assert_array_equal(data.train_labels[8:12], third[:, 0])
    expected = (third[:, 1:].reshape(-1, 3, 32, 32) / 255).astype(np.float32)
    np.testing.assert_array_equal(data.train_images[8:12], expected)


@pytest.mark.parametrize("length", [0, 100, 3073 * 2 - 1])
def test_a_cifar_file_of_broken_records(tmp_path, length):
    write_cifar(tmp_path)
    path = tmp_path / TRAIN_FILES[3]
    path.write_bytes(bytes(length))
    message = f"{re.escape(str(path))}: expected records of 3073 bytes .*found {length} bytes"
    with pytest.raises(ValueError, match=message):
        load_cifar10(tmp_path)


def test_a_cifar_file_with_other_labels(tmp_path):
    write_cifar(tmp_path)
    (tmp_path / TEST_FILE).write_bytes(bytes([200]) * 3073)
    with pytest.raises(ValueError, match="expected labels 0 to 9, found 200 at position 0"):
        load_cifar10(tmp_path)


def test_a_missing_cifar_file(tmp_path):
    write_cifar(tmp_path)
    (tmp_path / TRAIN_FILES[4]).unlink()
    with pytest.raises(FileNotFoundError, match=r"no file data_batch_5\.bin"):
        load_cifar10(tmp_path)


# ---- which data a folder holds -------------------------------------------------------------------


def test_a_folder_is_told_by_its_contents(tmp_path):
    for name, write in (("mnist", write_mnist), ("cifar10", write_cifar)):
        folder = tmp_path / name
        folder.mkdir()
        write(folder)
        assert load_images(str(folder)).name == name
    assert load_images("").name == "digits"


def test_a_folder_that_holds_nothing_known(tmp_path):
    for data, message in (
        (tmp_path, "holds neither MNIST's files .* nor CIFAR-10's"),
        (tmp_path / "absent", "absent is not there"),
    ):
        with pytest.raises(RunError, match=message):
            load_images(str(data))
    (tmp_path / "data_batch_1").touch()
    with pytest.raises(RunError, match="get the binary version"):
        load_images(str(tmp_path))
    with pytest.raises(RunError, match="data_batch_1 is no folder"):
        load_images(str(tmp_path / "data_batch_1"))
