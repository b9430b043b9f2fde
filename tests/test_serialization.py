"""save and load: what comes back, damaged and foreign files, and files that appear whole."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn

SUFFIXES = [".npz", ".pt", ".safetensors"]


def path_of(tmp_path: Path, suffix: str) -> Path:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"state{suffix}"


def there_and_back(obj: Any, tmp_path: Path, suffix: str = ".npz") -> Any:
    path = path_of(tmp_path, suffix)
    ag.save(obj, path)
    return ag.load(path)


def same(a: Any, b: Any) -> None:
    """Equal in type, dtype, shape and value, all the way down."""
    if isinstance(a, dict):
        assert type(b) is dict
        assert [(type(k), k) for k in a] == [(type(k), k) for k in b]
        for key in a:
            same(a[key], b[key])
        return
    assert type(a) is type(b)
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, ag.Tensor):
        assert a.requires_grad == b.requires_grad
        same(a.detach().numpy(), b.detach().numpy())
    elif isinstance(a, (np.ndarray, np.generic)):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, float) and math.isnan(a):
        assert math.isnan(b)
    else:
        assert a == b


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nested_state(tmp_path: Path, suffix: str) -> None:
    state = {
        "none": None,
        "flags": [True, False],
        "numbers": (1, -(10**30), 0.1, -0.0, float("inf"), float("nan"), 5e-324),
        "text": ["", "ä\n\0\ud800", 'quote " and \\'],
        "nested": ([], (), {}, [[()]], ({},)),
        0: {1: "int", "1": "str", 1.5: "float", None: "none"},
        "tensor": ag.arange(6.0).reshape(2, 3),
        "leaf": ag.ones(2, requires_grad=True),
        "parameter": nn.Parameter(ag.zeros(3)),
        "frozen": nn.Parameter(ag.zeros(3), requires_grad=False),
        "scalar": ag.tensor(3.5),
        "array": np.arange(4, dtype=np.int16),
        "numpy": [np.float32(0.1), np.int64(5), np.bool_(True)],
    }
    same(state, there_and_back(state, tmp_path, suffix))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)])
def test_dtypes_and_shapes(tmp_path: Path, suffix: str, dtype: str, shape: Any) -> None:
    value = ag.from_numpy(np.ones(shape, dtype))
    loaded = there_and_back(value, tmp_path, suffix)
    same(value, loaded)
    assert loaded.numpy().flags.writeable


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_strides_do_not_matter(tmp_path: Path, suffix: str) -> None:
    base = ag.arange(24.0).reshape(2, 3, 4)
    for view in (base.permute(2, 0, 1), base[:, ::2], base.numpy()[::-1], np.broadcast_to(1, (3,))):
        loaded = there_and_back([view], tmp_path, suffix)
        np.testing.assert_array_equal(np.asarray(loaded[0]), np.asarray(view))


def test_names_that_collide_or_cannot_be(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        state = {
            "a.b": ag.ones(1),
            "a": {"b": ag.zeros(1)},
            "a.b_": ag.full((1,), 2.0),
            "nul\0": ag.full((1,), 3.0),
            "\ud800": ag.full((1,), 4.0),
            "x" * 70000: ag.full((1,), 5.0),
            "../up/file": ag.full((1,), 6.0),
            "__metadata__": ag.full((1,), 7.0),
            "": ag.full((1,), 8.0),
            "structure.json": ag.full((1,), 9.0),
            "array_3": ag.full((1,), 10.0),
        }
        same(state, there_and_back(state, tmp_path, suffix))


def test_shared_arrays_are_stored_once(tmp_path: Path) -> None:
    big = ag.zeros(1000)
    a, b = there_and_back([big, big.detach()], tmp_path)
    assert os.path.getsize(tmp_path / "state.npz") < 6000
    assert np.shares_memory(a.numpy(), b.numpy())


def test_ordered_dict_comes_back_as_dict(tmp_path: Path) -> None:
    state = OrderedDict(b=1, a=2)
    loaded = there_and_back(state, tmp_path)
    assert type(loaded) is dict
    assert list(loaded) == ["b", "a"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_checkpoint(tmp_path: Path, suffix: str) -> None:
    def make() -> Any:
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        return model, ag.optim.Adam(model.parameters(), lr=0.1)

    def train(model: Any, optimizer: Any) -> None:
        for i in range(3):
            optimizer.zero_grad()
            (model(ag.full((2, 3), i + 1.0)) ** 2).sum().backward()
            optimizer.step()

    model, optimizer = make()
    train(model, optimizer)
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": ag.default_generator.get_state(),
    }
    loaded = there_and_back(state, tmp_path, suffix)
    same(state, loaded)
    ag.default_generator.set_state(loaded["generator"])
    again, other = make()
    again.load_state_dict(loaded["model"])
    other.load_state_dict(loaded["optimizer"])
    train(model, optimizer), train(again, other)
    same(model.state_dict(), again.state_dict())


def test_numpy_reads_the_arrays(tmp_path: Path) -> None:
    layer = nn.Linear(2, 3)
    path = tmp_path / "state.npz"
    ag.save({"model": layer.state_dict()}, path)
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["model.weight"], layer.weight.detach().numpy())


def test_safetensors_is_read_and_written_as_others_do(tmp_path: Path) -> None:
    numpy_format = pytest.importorskip("safetensors.numpy")
    layer = nn.Linear(2, 3)
    path = tmp_path / "state.safetensors"
    ag.save(layer.state_dict(), path)
    arrays = numpy_format.load_file(path)
    assert sorted(arrays) == ["bias", "weight"]
    np.testing.assert_array_equal(arrays["weight"], layer.weight.detach().numpy())
    numpy_format.save_file(arrays, path)  # without our metadata
    loaded = ag.load(path)
    assert isinstance(loaded["weight"], ag.Tensor)
    nn.Linear(2, 3).load_state_dict(loaded)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "error", "text"),
    [
        ({"a": [1, {"b": object()}]}, TypeError, r"a\.1\.b is a object"),
        (lambda x: x, TypeError, "the object is a function"),
        ({"s": {1, 2}}, TypeError, "s is a set"),
        ({"c": 1j}, TypeError, "c is a complex"),
        ({"k": {(1, 2): 3}}, TypeError, "k has a key of type tuple"),
        ({"o": np.array([object()])}, TypeError, "o is an array of object"),
        ({"u": np.array(["text"])}, TypeError, "u is an array of <U4"),
    ],
)
def test_unsupported_objects(tmp_path: Path, obj: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        ag.save(obj, tmp_path / "state.npz")
    assert os.listdir(tmp_path) == []


def test_an_object_that_contains_itself(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append({"again": loop})
    with pytest.raises(ValueError, match=r"0\.again contains itself"):
        ag.save(loop, tmp_path / "state.npz")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_damaged_files(tmp_path: Path, suffix: str) -> None:
    """Cut off anywhere, or with any one byte changed: the right object or a ValueError."""
    path = path_of(tmp_path, suffix)
    state = {"weight": ag.arange(5.0), "epoch": 3}
    ag.save(state, path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=f"{path.name} is damaged"):
            ag.load(path)
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            loaded = ag.load(path)
        except ValueError as error:
            assert path.name in str(error)
        else:  # a byte that nobody reads, or (safetensors has no checksum) of a value
            assert suffix == ".safetensors" or loaded["epoch"] == 3
            if suffix == ".npz":
                same(state, loaded)


def test_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    np.savez(path, a=np.ones(2))
    with pytest.raises(ValueError, match=r"state\.npz .*no structure\.json"):
        ag.load(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match=r"state\.npz is damaged, or not a file of"):
        ag.load(path)
    with pytest.raises(FileNotFoundError):
        ag.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize(
    "structure",
    [
        3,
        {},
        {"version": 2, "object": 1},
        {"version": 1, "object": {"tensor": "missing"}},
        {"version": 1, "object": {"tensor": []}},
        {"version": 1, "object": {"code": "x"}},
        {"version": 1, "object": {}},
        {"version": 1, "object": {"dict": [[{"tuple": []}, 1, 2]]}},
        {"version": 1, "object": {"dict": [[[], 1]]}},
    ],
)
def test_wrong_structures(tmp_path: Path, structure: Any) -> None:
    path = tmp_path / "state.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("structure.json", json.dumps(structure))
    with pytest.raises(ValueError, match=r"state\.npz"):
        ag.load(path)


def with_structure(path: Path, **contents: bytes) -> None:
    """A file whose object is the array "a"."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("structure.json", json.dumps({"version": 1, "object": {"array": "a"}}))
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", content)


def test_object_arrays_are_never_unpickled(tmp_path: Path) -> None:
    path, stream = tmp_path / "state.npz", io.BytesIO()
    np.save(stream, np.array([None, "x"], object))
    header = stream.getvalue()[:128]
    for n in (16, len(stream.getvalue()) - 128):
        with_structure(path, a=header + stream.getvalue()[128 : 128 + n])
        with pytest.raises(ValueError, match=r"allow_pickle=False|bytes"):
            ag.load(path)


def test_a_header_that_claims_too_much(tmp_path: Path) -> None:
    path, stream = tmp_path / "state.npz", io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
    )
    with_structure(path, a=stream.getvalue())
    with pytest.raises(ValueError, match=r"shape \(10000000000000,\) in \d+ bytes"):
        ag.load(path)


def test_deep_nesting(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        ag.save(deep, tmp_path / "state.npz")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.npz"
    ag.save({"epoch": 1}, path)

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        ag.save({"epoch": 2}, path)
    assert os.listdir(tmp_path) == ["state.npz"]
    assert ag.load(path) == {"epoch": 1}


def test_links_and_permissions(tmp_path: Path) -> None:
    path, link = tmp_path / "state.npz", tmp_path / "link.npz"
    link.symlink_to(path)
    ag.save({"epoch": 1}, link)
    assert link.is_symlink()
    assert ag.load(path) == {"epoch": 1}
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
