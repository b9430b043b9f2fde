"""`save` and `load`: nested state in a file of plain arrays. Nothing in a file is ever executed.

A file is a zip archive in NumPy's `.npz` layout: the arrays by their place in the object
("model.0.weight"), and one entry `structure.json` that tells how they belong together. With a
path that ends in `.safetensors` it is a safetensors file, the structure in its metadata.
"""

from __future__ import annotations

import io
import json
import math
import os
import secrets
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.device import on_cpu
from pyautograd.dtypes import SUPPORTED
from pyautograd.nn.module import Parameter
from pyautograd.tensor import Tensor, wrap

Path = str | os.PathLike[str]

_STRUCTURE = "structure.json"
_METADATA_KEY = "pyautograd"
_VERSION = 1


# ---- objects as a structure and arrays -----------------------------------------------------------
#
# In the structure, None, bools, ints, strings, finite floats and lists stand for themselves. All
# else is an object with one key that says what it is: {"tuple": [...]}, {"dict": [[key, value],
# ...]}, {"float": "nan"}, {"tensor": name of the array}, ...


class _Writer:
    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self._names: dict[int, str] = {}  # of the arrays met, by id: one met again is stored once
        self._open: set[int] = set()  # the containers that we are in

    def write(self, value: Any, path: str) -> Any:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, np.generic):
            return {"scalar": self._store(np.asarray(value), path)}
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, Tensor):
            kind = "parameter" if isinstance(value, Parameter) else "tensor"
            name = self._store(value._array, path)
            if value.is_leaf and value.requires_grad != (kind == "parameter"):
                return {kind: name, "requires_grad": value.requires_grad}
            return {kind: name}
        if isinstance(value, np.ndarray):
            return {"array": self._store(value, path)}
        if isinstance(value, dict) or type(value) in (list, tuple):
            return self._container(value, path)
        raise TypeError(
            f"save: {path or 'the object'} is a {type(value).__name__}: expected tensors, arrays, "
            "numbers, strings, None, or dicts, lists and tuples of them"
        )

    def _container(self, value: Any, path: str) -> Any:
        if id(value) in self._open:
            raise ValueError(f"save: {path or 'the object'} contains itself")
        self._open.add(id(value))
        lead = f"{path}." if path else ""
        try:
            if isinstance(value, dict):
                return {
                    "dict": [
                        [self._key(key, path), self.write(item, f"{lead}{key}")]
                        for key, item in value.items()
                    ]
                }
            items = [self.write(item, f"{lead}{i}") for i, item in enumerate(value)]
            return items if type(value) is list else {"tuple": items}
        finally:
            self._open.discard(id(value))

    def _key(self, key: Any, path: str) -> Any:
        if key is None or (isinstance(key, (str, int, float)) and not isinstance(key, np.generic)):
            return self.write(key, path)
        raise TypeError(
            f"save: {path or 'the object'} has a key of type {type(key).__name__}: expected str, "
            "int, float, bool or None"
        )

    def _store(self, array: Any, path: str) -> str:
        known = self._names.get(id(array))
        if known is not None:
            return known
        if array.dtype.kind not in "biufc":
            raise TypeError(
                f"save: {path or 'the object'} is an array of {array.dtype}: expected numbers"
            )
        name = path or "array"
        if not name.isprintable() or len(name) > 1000 or name == "__metadata__":
            name = f"array_{len(self.arrays)}"
        while name in self.arrays:
            name += "_"
        self.arrays[name] = array  # keeps it alive, and with it its id
        self._names[id(array)] = name
        return name


class _Reader:
    def __init__(self, get: Callable[[str], Any]) -> None:
        self._get = get  # the array of a name
        self._arrays: dict[str, Any] = {}

    def read(self, node: Any) -> Any:
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if isinstance(node, list):
            return [self.read(item) for item in node]
        kind, value = next(iter(node.items()))
        if kind == "tuple":
            return tuple([self.read(item) for item in value])
        if kind == "dict":
            return {self.read(key): self.read(item) for key, item in value}
        if kind == "float":
            return float(value)
        array = self._array(value)
        if kind == "array":
            return array
        if kind == "scalar":
            return array[()]
        if array.dtype not in SUPPORTED:
            raise ValueError(f"the tensor {value!r} has dtype {array.dtype}")
        if kind == "parameter":
            return Parameter(wrap(array), node.get("requires_grad", True))
        if kind == "tensor":
            tensor = wrap(array)
            return tensor.requires_grad_() if node.get("requires_grad", False) else tensor
        raise ValueError(f"unknown kind {kind!r} in the structure")

    def _array(self, name: str) -> Any:
        if name not in self._arrays:
            self._arrays[name] = self._get(name)
        return self._arrays[name]


def _to_json(obj: Any) -> tuple[str, dict[str, Any]]:
    writer = _Writer()
    structure = {"version": _VERSION, "object": writer.write(obj, "")}
    return json.dumps(structure, allow_nan=False), writer.arrays


def _from_json(text: str | bytes, get: Callable[[str], Any]) -> Any:
    structure = json.loads(text)
    if structure["version"] != _VERSION:
        raise ValueError(f"version {structure['version']} of the format, expected {_VERSION}")
    return _Reader(get).read(structure["object"])


# ---- files ---------------------------------------------------------------------------------------


def save(obj: Any, path: Path) -> None:
    """Writes nested state to a file, for `load`.

    obj: Tensors, Parameters, arrays, ints, floats, bools, strings and None, in dicts (with keys of
        those plain kinds), lists and tuples; a dict of a derived class is saved as a dict.
    path: `.safetensors` chooses that format (and needs the package); all else is `.npz`.

    An array met twice is stored once. The file appears whole or not at all: it is written beside
    its place and then renamed. Raises TypeError, with the place in the object, for what it cannot
    save.

    >>> import os, tempfile
    >>> import pyautograd as ag
    >>> path = os.path.join(tempfile.mkdtemp(), "state.npz")
    >>> ag.save({"epoch": 3, "weight": ag.ones(2)}, path)
    >>> ag.load(path)
    {'epoch': 3, 'weight': tensor([1., 1.])}
    """
    target = os.path.realpath(os.fspath(path))
    try:
        structure, arrays = _to_json(obj)
    except RecursionError:
        raise ValueError("save: the object is nested too deeply") from None
    if target.endswith(".safetensors"):
        blob = _safetensors("save").save(
            {name: _in_order(array) for name, array in arrays.items()}, {_METADATA_KEY: structure}
        )
        write_whole(target, lambda file: file.write(blob))
    else:
        write_whole(target, lambda file: write_npz(file, structure, arrays))


def load(path: Path, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """What `save` has written to the file.

    Files hold data alone, no code: so `weights_only` is always true, and may be said. The only
    place to map to is "cpu". A safetensors file of other origin gives a flat dict of tensors.
    Raises ValueError, with the path, for a file that is damaged or that `save` has not written.
    """
    if not weights_only:
        raise ValueError("load: files hold data alone; weights_only=False is not supported")
    on_cpu(map_location)
    name = os.fspath(path)
    with open(name, "rb") as file:
        try:
            if name.endswith(".safetensors"):
                return _read_safetensors(name)
            return _read_npz(file)
        except (MemoryError, ImportError):
            raise
        except Exception as error:
            raise ValueError(
                f"load: {name} is damaged, or not a file of pyautograd.save: {error}"
            ) from error


def write_whole(target: str, write: Callable[[Any], Any]) -> None:
    temporary = f"{target}.{secrets.token_hex(4)}.tmp"
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _in_order(array: Any) -> Any:
    """C-contiguous and in native byte order; a 0-d array stays one."""
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def write_npz(file: Any, structure: str, arrays: dict[str, Any], entry: str = _STRUCTURE) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, structure)
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as place:
                np.lib.format.write_array(place, np.asanyarray(array), allow_pickle=False)


def _read_npz(file: Any) -> Any:
    with zipfile.ZipFile(file) as archive:
        if _STRUCTURE not in archive.namelist():
            raise ValueError(f"it has no {_STRUCTURE}")

        def get(name: str) -> Any:
            return array_of(archive.read(f"{name}.npy"))  # read() verifies the checksum

        return _from_json(archive.read(_STRUCTURE), get)


def array_of(content: bytes) -> Any:
    """The array of an .npy entry; refuses a header that claims more (or less) than there is."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array in another version of the .npy format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(f"an array of shape {shape} in {len(content)} bytes")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _safetensors(caller: str) -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            f"{caller}: safetensors is not installed; pip install 'pyautograd[safetensors]', or "
            "use a path that does not end in .safetensors"
        ) from error
    return safetensors.numpy


def _read_safetensors(path: str) -> Any:
    _safetensors("load")
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:

        def get(name: str) -> Any:
            array = file.get_tensor(name)
            return array if array.flags.writeable else array.copy()

        structure = (file.metadata() or {}).get(_METADATA_KEY)
        if structure is not None:
            return _from_json(structure, get)
        reader = _Reader(get)
        return {name: reader.read({"tensor": name}) for name in file.keys()}  # noqa: SIM118
