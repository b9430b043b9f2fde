"""Graphs in files: what is loaded computes the same, and nothing that is wrong gets through."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case import Case
from cases import CASES
from static_networks import Encoder, assert_equal, convolutional, images, perceptron, rows, words
from test_ops import cast, draw
from test_ops import rows as cases
from test_static import depends_on_values, program

import pyautograd as ag
from pyautograd import nn, static
from pyautograd.static import GraphError, placeholder
from pyautograd.static.file_reader import ATTRIBUTES, is_like
from pyautograd.static.program import Program

F = nn.functional


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@cases([case for case in CASES if not depends_on_values(case)])
def test_attributes_are_what_the_reader_expects(case: Case, dtype: Any) -> None:
    tensors = [ag.from_numpy(a) for a in cast(draw(case, np.random.default_rng(7)), dtype)]
    traced = Program(program(case, min(case.order, 1)), tuple(tensors), {}, tensors, ())
    for call in [call for graph in traced.graphs for call in graph.calls]:
        if call.name in ATTRIBUTES:
            assert is_like(call.attrs, ATTRIBUTES[call.name]), (call.name, call.attrs)


def saved(path: Path, like: ag.Tensor, model: Any) -> Any:
    x = placeholder((None, *like.shape[1:]), like.dtype, name="x")
    f = static.compile(x, model(x))
    f.graph.save(path)
    return f


@pytest.mark.parametrize(
    ("make", "batch"), [(perceptron, rows), (convolutional, images), (Encoder, words)]
)
def test_what_is_loaded_computes_the_same(make: Any, batch: Any, tmp_path: Path) -> None:
    model = make().eval()
    f = saved(tmp_path / "graph.npz", batch(2)[0], model)
    g = static.load(tmp_path / "graph.npz")
    for n in (1, 3, 8):
        x = batch(n)[0]
        assert_equal(g(x), f(x))
        assert_equal(g(x=x), model(x).detach())
    for p in model.parameters():  # the file has arrays of its own
        p.detach().numpy()[...] = 0.0
    assert_equal(g(x), static.load(tmp_path / "graph.npz")(x))
    assert (g(x) != f(x)).any()
    g.graph.save(tmp_path / "again.npz")
    assert_equal(static.load(tmp_path / "again.npz")(x), g(x))


def test_every_kind_of_attribute(tmp_path: Path) -> None:
    x, y = placeholder(("N", 4), name="x"), placeholder((None, 3, 8, 8), "float64", name="y")
    index = ag.tensor([[0, 1], [2, 0]])
    outputs = {
        "scalars": [x.mean(), (x * float("inf"), x.var(0))],
        "slices": (x[1:, ::2], x[..., None, -1], x[:, index]),
        "sizes": x.reshape(x.shape[0] * 2, -1) / x.shape[0],
        "cast": x.double().long(),
        "pool": F.avg_pool2d(y, 2, padding=1, count_include_pad=False),
        1: x,
    }
    f = static.compile([x, y], outputs)
    f.graph.save(tmp_path / "graph.npz")
    g = static.load(tmp_path / "graph.npz")
    for n in (2, 5):
        feed = ag.randn(n, 4), ag.randn(1, 3, 8, 8).double()
        a, b = f(*feed), g(*feed)
        assert a.keys() == b.keys()
        assert_equal(a["scalars"][1][0], b["scalars"][1][0])
        assert_equal(a["scalars"][1][1], b["scalars"][1][1])
        for p, q in zip(a["slices"], b["slices"], strict=True):
            assert_equal(p, q)
        for key in ("sizes", "cast", "pool", 1):
            assert_equal(a[key], b[key])
    with pytest.raises(ValueError, match="expected x of shape"):
        g(ag.ones(2, 3), ag.randn(1, 3, 8, 8).double())


def test_demands_on_sizes_are_kept(tmp_path: Path) -> None:
    x = placeholder((None, 3), name="x")
    layer = nn.BatchNorm1d(3, track_running_stats=False)
    static.compile(x, layer(x)).graph.save(tmp_path / "graph.npz")
    g = static.load(tmp_path / "graph.npz")
    assert g(ag.randn(2, 3)).shape == (2, 3)
    with pytest.raises(ValueError, match="built for"):
        g(ag.randn(1, 3))


def test_what_is_not_saved(tmp_path: Path) -> None:
    x = placeholder((None, 4), name="x")
    with pytest.raises(GraphError, match="random numbers"):
        static.compile(x, F.dropout(x)).graph.save(tmp_path / "graph.npz")
    with pytest.raises(GraphError, match=r"changes memory.*test_graph_file"):
        static.compile(x, nn.BatchNorm1d(4)(x)).graph.save(tmp_path / "graph.npz")
    assert not list(tmp_path.iterdir())


# ---- files that are not what they should be ------------------------------------------------------


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    saved(path, rows(2)[0], perceptron())
    _rewrite(path, lambda table: table.update(version=2))
    with pytest.raises(ValueError, match=r"is of version 2 of the format.*reads up to 1"):
        static.load(path)
    with pytest.raises(FileNotFoundError):
        static.load(tmp_path / "nothing.npz")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    ag.save({"a": ag.ones(2)}, path)
    with pytest.raises(ValueError, match="damaged, or not a saved graph"):
        static.load(path)
    path.write_bytes(b"not a zip archive")
    with pytest.raises(ValueError, match="damaged, or not a saved graph"):
        static.load(path)
    with pytest.raises(ValueError, match="damaged"):
        ag.load(path)


def test_every_cut_and_every_changed_byte(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "graph.npz"
    f = saved(path, rows(2)[0], perceptron())
    content = path.read_bytes()
    x = rows(3)[0]
    for _ in range(150):
        broken = bytearray(content)
        at = int(rng.integers(len(content)))
        if rng.random() < 0.3:
            broken = broken[:at]
        else:
            broken[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(broken))
        try:
            g = static.load(path)
        except ValueError:
            continue
        assert_equal(g(x), f(x))  # the byte was one that says nothing


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    """Changes the table of a file, and makes its checksums right."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    table = json.loads(parts["graph.json"])
    change(table)
    parts["graph.json"] = json.dumps(table).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "unknown op": lambda t: t["calls"][0].__setitem__(0, "system"),
    "operand missing": lambda t: t["calls"][0][1].pop(),
    "operand later": lambda t: t["calls"][0][1].__setitem__(0, {"value": 99}),
    "operand negative": lambda t: t["calls"][0][1].__setitem__(0, {"value": -1}),
    "operand a text": lambda t: t["calls"][0][1].__setitem__(0, "x"),
    "operand a list": lambda t: t["calls"][0][1].__setitem__(0, [1]),
    "wrong dtype": lambda t: t["calls"][0][3][0].__setitem__(0, "int64"),
    "unknown dtype": lambda t: t["calls"][0][3][0].__setitem__(0, "object"),
    "wrong shape": lambda t: t["calls"][0][3][0].__setitem__(1, [3, 8]),
    "negative shape": lambda t: t["inputs"][0].__setitem__(2, [-1, 4]),
    "huge shape": lambda t: t["inputs"][0].__setitem__(2, [2**40, 2**40]),
    "extra output": lambda t: t["calls"][0][3].append(t["calls"][0][3][0]),
    "extra attribute": lambda t: t["calls"][0][2].append(1),
    "unknown kind": lambda t: t["calls"][0][2].append({"object": "os.system"}),
    "two kinds": lambda t: t["calls"][0][2].append({"value": 1, "slice": 2}),
    "unknown size": lambda t: t["inputs"][0].__setitem__(2, [{"size": [[["M"], 1]]}, 4]),
    "size with a zero divisor": lambda t: t["inputs"][0].__setitem__(
        2, [{"size": [[[["//", [[["x[0]"], 1]], [[[], 0]]]], 1]]}, 4]
    ),
    "no result": lambda t: t["results"].__setitem__(0, 1000),
    "tree of no result": lambda t: t.__setitem__("tree", {"result": 5}),
    "tree of numbers": lambda t: t.__setitem__("tree", [1, 2]),
    "arrays missing": lambda t: t.__setitem__("arrays", [99, 0]),
    "version a text": lambda t: t.__setitem__("version", "1"),
    "no calls": lambda t: t.pop("calls"),
    "calls a number": lambda t: t.__setitem__("calls", 3),
    "huge number": lambda t: t["calls"][0][2].append(10**400),
    "unknown comparison": lambda t: t["guards"].append(["in", 1, 2, True, ""]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tables_that_lie_are_refused(change: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    saved(path, rows(2)[0], perceptron())
    with zipfile.ZipFile(path) as archive:  # sizes are called what they are called in this run
        text = archive.read("graph.json").decode()
    name = json.loads(text)["sizes"][0][0]
    _rewrite(path, lambda t: _renamed(t, name))
    static.load(path)
    _rewrite(path, CHANGES[change])
    with pytest.raises(ValueError, match="damaged, or not a saved graph"):
        static.load(path)


def _renamed(table: Any, name: str) -> None:
    again = json.loads(json.dumps(table).replace(json.dumps(name), '"x[0]"'))
    table.clear()
    table.update(again)


@pytest.mark.parametrize(
    "attributes", [[{"tuple": [2, 4, 1]}, 1, 8, True], [{"tuple": [2, 4]}, 1, 0.5, True], [1, 2]]
)
def test_attributes_of_another_kind_are_refused(attributes: Any, tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    x = placeholder((2, 4), name="x")
    static.compile(x, F.layer_norm(x, (4,))).graph.save(path)
    static.load(path)
    _rewrite(path, lambda table: table["calls"][0].__setitem__(2, attributes))
    with pytest.raises(ValueError, match="normalize with the attributes"):
        static.load(path)


def test_lies_that_show_at_other_sizes_are_refused_then(tmp_path: Path) -> None:
    """At the sizes of the examples 13 - n is a shape; at others it is negative."""
    path = tmp_path / "graph.npz"
    x = placeholder((None, 4), name="x")
    static.compile(x, F.pad(x, (0, 0, 2, 0))).graph.save(path)

    def lie(table: Any) -> None:
        size = table["inputs"][0][2][0]["size"][0][0][0]
        padding = {"size": [[[size], -1], [[], 60]]}
        (call,) = [c for c in table["calls"] if c[0] == "pad"]
        call[2][0] = {"tuple": [padding, 0]}
        call[3][0][1] = [60, 4]

    _rewrite(path, lie)
    g = static.load(path)
    assert g(ag.ones(10, 4)).shape == (60, 4)
    with pytest.raises(ValueError, match="pad"):
        g(ag.ones(61, 4))


@pytest.mark.parametrize("seed", range(3))
def test_random_lies_do_no_harm(seed: int, tmp_path: Path) -> None:
    """In a process of its own, for the case that it dies."""
    path = tmp_path / "graph.npz"
    saved(path, images(2)[0], convolutional().eval())
    program = Path(__file__).parent / "graph_lies.py"
    done = subprocess.run(
        [sys.executable, str(program), str(path), str(seed)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "refused" in done.stdout


def test_arrays_are_read_without_pickle(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    saved(path, rows(2)[0], perceptron())
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([print], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["array0.npy"] = stream.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(ValueError, match="damaged"):
        static.load(path)
