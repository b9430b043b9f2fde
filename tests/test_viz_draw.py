"""Pictures of graphs: what the model knows, where boxes are, and what the files hold."""

from __future__ import annotations

import builtins
import contextlib
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn
from pyautograd.nn import functional as F
from pyautograd.viz.graph import Graph, Summary
from pyautograd.viz.scene import HEADER, Box, Scene

SVG = "{http://www.w3.org/2000/svg}"


class Block(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        stride = 1 if channels == out else 2
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            conv = nn.Conv2d(channels, out, 1, stride=2, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(out))

    def forward(self, x: Any) -> Any:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 16))
        self.layer2 = nn.Sequential(Block(16, 32), Block(32, 32), Block(32, 32))
        self.layer3 = nn.Sequential(Block(32, 64), Block(64, 64), Block(64, 64))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def resnet_loss() -> Any:
    x, labels = ag.randn(2, 3, 16, 16), ag.randint(0, 10, (2,))
    return F.cross_entropy(ResNet20()(x), labels)


def expression() -> Any:
    a, b = ag.tensor(100.0, requires_grad=True), ag.tensor(150.0, requires_grad=True)
    return (2 * a + 3 * b) * 1.1


def labels(graph: Graph, kind: str) -> list[str]:
    return [v.label for v in graph.vertices.values() if v.kind == kind]


def ops(graph: Graph) -> dict[str, Any]:
    return {v.label: v for v in graph.vertices.values() if v.kind == "op"}


# ---- the model -----------------------------------------------------------------------------------


def test_expression_is_known_in_full() -> None:
    a, b = ag.tensor(100.0, requires_grad=True), ag.tensor(150.0, requires_grad=True)
    graph = Graph.of((2 * a + 3 * b) * 1.1)
    assert sorted(labels(graph, "input")) == ["a", "b"]
    assert sorted(labels(graph, "constant")) == ["1.1", "2", "3"]
    assert [v.label for v in graph.vertices.values() if v.kind == "op"] == [
        "mul", "mul", "add", "mul",
    ]  # fmt: skip
    values = [float(v.value) for v in graph.vertices.values() if v.kind == "op"]
    np.testing.assert_allclose(values, [200, 450, 650, 715], rtol=1e-6)
    (result,) = graph.outputs
    assert graph.vertices[result].value.item() == pytest.approx(715)
    for edge in graph.edges:
        assert edge.source < edge.target, "operands come first"
        assert edge.shape == ()


def test_edges_say_which_operand() -> None:
    a, b = ag.tensor([1.0, 2.0], requires_grad=True), ag.tensor(3.0, requires_grad=True)
    graph = Graph.of(a - b)
    (edges,) = [graph.inputs_of[key] for key in graph.outputs]
    assert [graph.vertices[e.source].label for e in edges] == ["a", "b"]
    assert [(e.slot, e.shape) for e in edges] == [(0, (2,)), (1, ())]


def test_parameters_have_the_names_of_their_modules() -> None:
    model = ResNet20()
    loss = F.cross_entropy(model(ag.randn(2, 3, 16, 16)), ag.randint(0, 10, (2,)))
    graph = Graph.of(loss, names={})
    assert sorted(labels(graph, "parameter")) == sorted(n for n, _ in model.named_parameters())


@pytest.mark.parametrize("recorded", [False, True])
def test_calls_are_in_their_modules(recorded: bool) -> None:
    """With `record` as without it: the relu and the add of a block are in the block."""
    if recorded:
        with ag.viz.record():
            loss = resnet_loss()
    else:
        loss = resnet_loss()
    graph = Graph.of(loss)
    found: dict[tuple[str, ...], list[str]] = {}
    for v in graph.vertices.values():
        if v.kind == "op":
            found.setdefault(v.path, []).append(v.label)
    assert found[()] == ["relu", "sum", "cross_entropy"]
    for stage in ("layer1", "layer2", "layer3"):
        for block in "012":
            assert found[(stage, block)] == ["relu", "add", "relu"]
            assert found[(stage, block, "conv2")] == ["conv2d"]
            assert "normalize" in found[(stage, block, "bn2")]
    assert found[("layer2", "0", "shortcut", "0")] == ["conv2d"]
    assert graph.groups[("layer1", "0")] == "Block"


def test_a_module_called_twice_is_two_groups() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.fc(self.fc(x).relu())

    graph = Graph.of(Twice()(ag.randn(2, 3)).sum())
    paths = [v.path for v in graph.vertices.values() if v.label == "linear"]
    assert paths == [("fc",), ("fc (2)",)]


def test_modules_with_several_outputs_hold_their_calls() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x: Any) -> Any:
            return F.relu(self.attention(x, x, x)[0])

    graph = Graph.of(Attending()(ag.randn(3, 2, 8)).sum())
    paths = {v.label: v.path for v in graph.vertices.values() if v.kind == "op"}
    assert paths.pop("relu") == paths.pop("sum") == ()
    assert {path[0] for path in paths.values()} == {"attention"}
    assert {"softmax", "matmul", "linear"} <= set(paths)


def test_identity_does_not_take_over_what_came_before() -> None:
    layer = nn.Sequential(nn.Linear(2, 2), nn.Identity(), nn.Dropout(0.0))
    graph = Graph.of(layer(ag.randn(1, 2)).sum())
    assert ops(graph)["linear"].path == ("0",)


def test_record_knows_operands_values_and_lines() -> None:
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    y = ag.tensor([5.0, 6.0])
    assert "not kept" in labels(Graph.of((x + y).sum()), "constant")
    with ag.viz.record():
        z = (x + y).sum()
    graph = Graph.of(z)
    assert labels(graph, "constant") == []
    assert labels(graph, "input") == ["x", "y"]
    add = ops(graph)["add"]
    np.testing.assert_array_equal(add.value, [6.0, 8.0])
    assert "test_viz_draw.py" in add.origin
    assert add.origin.endswith("z = (x + y).sum()")


def test_record_watches_its_own_thread_and_ends() -> None:
    x = ag.tensor([1.0], requires_grad=True)
    with ag.viz.record():
        pass
    assert ops(Graph.of(x + 1))["add"].origin is None
    layer = nn.Linear(1, 1)
    call = nn.Module.__call__
    with ag.viz.record(), ag.viz.record():
        layer(x)
    assert nn.Module.__call__ is call


def test_after_backward_the_structure_is_drawn() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    loss = (model(ag.randn(5, 3)) ** 2).mean()
    loss.backward()
    graph = Graph.of(loss)
    assert {"linear", "tanh", "pow", "sum"} <= set(ops(graph))
    assert len(labels(graph, "parameter")) == 4
    picture = ag.viz.draw(loss)
    assert "not kept" in picture.svg()


def test_values_changed_since_are_not_shown() -> None:
    w = ag.tensor([1.0, 2.0], requires_grad=True)
    y = w.exp().sum()
    assert ops(Graph.of(y))["exp"].value is not None
    z = (w * 3.0).sum()
    with ag.no_grad():
        w.mul_(10.0)
    assert ops(Graph.of(z))["mul"].value is None


def test_a_leaf_alone_and_a_tensor_off_the_tape() -> None:
    w = ag.tensor([1.0, 2.0], requires_grad=True)
    data = ag.zeros(3)
    assert labels(Graph.of(w), "input") == ["w"]
    assert labels(Graph.of(data), "input") == ["data"]
    for leaf in (w, data):
        ET.fromstring(ag.viz.draw(leaf).svg())


def test_a_leaf_that_is_gone() -> None:
    y = (ag.tensor([1.0, 2.0], requires_grad=True) + 1.0).sum()
    assert labels(Graph.of(y), "input") == ["a tensor that is gone"]


def test_custom_functions_are_drawn() -> None:
    class Double(ag.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = ag.tensor([1.0], requires_grad=True)
    assert any("Double" in label for label in labels(Graph.of(Double.apply(x).sum()), "op"))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ([1.0, 2.0, 6.0], (1, 6, 3, 0, 0)),
        ([np.nan, 2.0, -np.inf], (2, 2, 2, 1, 1)),
        ([7.0], (7, 7, 7, 0, 0)),
    ],
)
def test_summaries(array: list[float], expected: tuple[float, ...]) -> None:
    s = Summary.of(np.array(array))
    assert (s.low, s.high, s.mean, s.nan, s.infinite) == expected
    assert s.size == len(array)


def test_summaries_of_nothing() -> None:
    assert np.isnan(Summary.of(np.zeros((0, 3))).low)
    assert np.isnan(Summary.of(np.array([np.nan, np.nan])).mean)


# ---- compiled functions --------------------------------------------------------------------------


def test_fused_calls_are_a_group() -> None:
    @ag.compile
    def f(x: Any, y: Any) -> Any:
        return (x * y + y).tanh() * y

    with pytest.raises(ValueError, match="call it once"):
        ag.viz.draw(f)
    f(ag.ones(2), ag.zeros(2))
    graph = ag.viz.draw(f).graph
    assert labels(graph, "op") == ["mul", "add", "tanh", "mul"]
    assert sorted(labels(graph, "input")) == ["x", "y"]
    assert {v.path for v in graph.vertices.values() if v.kind == "op"} == {("fused 1",)}
    assert graph.groups[("fused 1",)] == "one pass"
    (result,) = graph.outputs
    assert graph.vertices[result].shape == (2,)


def test_compiled_step_has_its_phases() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = ag.optim.SGD(model.parameters(), lr=0.1)

    @ag.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    step(ag.randn(4, 2), ag.randn(4, 1))
    picture = ag.viz.draw(step)
    graph = picture.graph
    phases = {v.path[0] for v in graph.vertices.values() if v.kind == "op"}
    assert phases == {"forward", "backward", "update"}
    found = {(v.path, v.label) for v in graph.vertices.values()}
    assert (("forward", "fused 1"), "linear") in found, "with the tanh that its kernel runs"
    assert (("forward", "fused 1"), "tanh") in found
    assert (("backward", "2"), "matmul") in found
    assert (("backward", "0"), "write 0.weight.grad") in found
    assert (("update",), "SGD.step") in found
    assert sorted(labels(graph, "parameter")) == sorted(n for n, _ in model.named_parameters())
    (update,) = [v.key for v in graph.vertices.values() if v.label == "SGD.step"]
    reads = [graph.vertices[e.source] for e in graph.inputs_of[update]]
    assert sorted(v.shape for v in reads) == sorted(p.shape for p in model.parameters())
    check_scene(picture.stage.scene(picture.opened))
    check_scene(picture.stage.scene(set(picture.tree.groups)))
    assert "not kept" not in picture.svg()


def test_compiled_module_has_its_gradients() -> None:
    model = ag.compile(nn.Sequential(nn.Linear(2, 3), nn.Tanh()))
    model(ag.randn(4, 2))
    graph = ag.viz.draw(model).graph
    assert {v.path[0] for v in graph.vertices.values() if v.kind == "op"} == {
        "forward", "backward",
    }  # fmt: skip
    assert "gradient0" in labels(graph, "input")
    assert not any(label.startswith("saved") for label in labels(graph, "input"))
    ET.fromstring(ag.viz.draw(model, 9).svg())


# ---- the layout ----------------------------------------------------------------------------------


def overlap(a: Box, b: Box) -> bool:
    return (
        a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    )


def check_scene(scene: Scene) -> None:
    """No two boxes overlap, but for frames, which hold what is theirs."""
    frames = {box.name: box for box in scene.boxes if box.open}
    for a, b in combinations(scene.boxes, 2):
        if overlap(a, b):
            outer, inner = (a, b) if a.open and a.width >= b.width else (b, a)
            assert outer.open, (a, b)
            assert outer.x <= inner.x and inner.x + inner.width <= outer.x + outer.width
            assert outer.y + HEADER <= inner.y + 1e-6
            assert inner.y + inner.height <= outer.y + outer.height + 1e-6
            if isinstance(inner.name, tuple):
                assert inner.name[: len(outer.name)] == outer.name  # type: ignore[arg-type]
    for box in scene.boxes:
        assert box.x >= -1e-6 and box.y >= -1e-6
        assert box.x + box.width <= scene.width + 1e-6
        assert box.y + box.height <= scene.height + 1e-6
    shut = {box.name: box for box in scene.boxes if not box.open}
    for line in scene.lines:
        for name, point in ((line.source, line.points[0]), (line.target, line.points[-1])):
            if name is not None and not (line.branch and point is line.points[0]):
                box = shut.get(name) or frames[name]
                assert box.x <= point.x <= box.x + box.width, "wires end at boxes"
                edge = box.y + box.height if point is line.points[0] else box.y
                assert point.y == pytest.approx(edge)


@pytest.mark.parametrize("depth", [0, 1, 2, 3, None])
def test_boxes_do_not_overlap(depth: int | None) -> None:
    picture = ag.viz.draw(resnet_loss(), depth)
    check_scene(picture.stage.scene(picture.opened))


def test_every_choice_of_groups_has_a_picture() -> None:
    picture = ag.viz.draw(resnet_loss())
    rng = np.random.default_rng(0)
    for _ in range(10):
        opened = {path for path in picture.tree.groups if not path or rng.random() < 0.5}
        check_scene(picture.stage.scene(opened))


def test_folded_groups_hide_what_is_in_them() -> None:
    loss = resnet_loss()
    folded = ag.viz.draw(loss, 0)
    names = [box.name for box in folded.stage.scene(folded.opened).boxes]
    assert ("layer1",) in names and ("layer1", "0") not in names
    everything = ag.viz.draw(loss, 9)
    shown = [b.name for b in everything.stage.scene(everything.opened).boxes]
    assert len([n for n in shown if isinstance(n, int)]) == len(everything.graph.vertices)


def test_default_depth_stays_readable() -> None:
    assert len(ag.viz.draw(resnet_loss()).opened) < 10
    scene_of = ag.viz.draw(expression())
    assert len(scene_of.stage.scene(scene_of.opened).boxes) == 9


def test_long_chains_go_on_in_further_columns() -> None:
    layers = [m for _ in range(100) for m in (nn.Linear(4, 4), nn.ReLU())]
    start = time.perf_counter()
    picture = ag.viz.draw(nn.Sequential(*layers)(ag.randn(2, 4)).sum())
    scene = picture.stage.scene(picture.opened)
    assert time.perf_counter() - start < 5
    check_scene(scene)
    assert scene.height < 4 * scene.width
    assert any(point.way < 0 for line in scene.lines for point in line.points)


def test_thousands_of_calls() -> None:
    x = y = ag.tensor([1.0], requires_grad=True)
    for _ in range(1500):
        y = y * 1.001 + x
    picture = ag.viz.draw(y)
    assert len(picture.graph.vertices) == 4501
    start = time.perf_counter()
    ET.fromstring(picture.svg())
    assert time.perf_counter() - start < 30


def test_resnet_is_drawn_fast() -> None:
    loss = resnet_loss()
    ag.viz.draw(expression()).svg()  # libraries are loaded
    best = 9.0
    for _ in range(3):
        start = time.perf_counter()
        ag.viz.draw(loss).svg()
        best = min(best, time.perf_counter() - start)
    assert best < 2


# ---- SVG -----------------------------------------------------------------------------------------


def words(svg: str) -> list[str]:
    return [e.text or "" for e in ET.fromstring(svg).iter(f"{SVG}text")]


def test_svg_says_what_is_known() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    data = ag.ones(4, 2)
    svg = ag.viz.draw(model(data).sum()).svg()
    found = words(svg)
    for expected in ("data", "linear", "relu", "weight", "(3, 2) float32", "(4, 3)", "all 1"):
        assert expected in found, found
    titles = [e.text or "" for e in ET.fromstring(svg).iter(f"{SVG}title")]
    assert any(t.startswith("0.weight\n(3, 2) float32") for t in titles)
    assert "linear: (4, 3) float32" in titles


def test_svg_has_both_themes() -> None:
    picture = ag.viz.draw(expression())
    assert "prefers-color-scheme:dark" in picture.svg()
    assert "prefers-color-scheme" not in picture.svg("dark")
    assert picture.svg("dark") != picture.svg("light")
    assert picture._repr_svg_() == picture.svg()


def test_the_picture_is_the_same_every_time() -> None:
    loss = resnet_loss()
    assert ag.viz.draw(loss).svg() == ag.viz.draw(loss).svg()


def test_odd_names() -> None:
    names = ["<b>&\"'", "层一", "a" * 300, "tab\tnew\nline", "\x00\x1b\ud800", "{}%s$1", "🦊"]
    model = nn.Module()
    for name in names:
        model.add_module(name, nn.Linear(2, 2))
    x = ag.randn(1, 2)
    for layer in model.children():
        x = layer(x)
    picture = ag.viz.draw(x.sum(), 9, names={"model": model})
    root = ET.fromstring(picture.svg().encode())
    shown = [e.text for e in root.iter(f"{SVG}text")]
    assert "层一" in shown and "<b>&\"'" in shown and "{}%s$1" in shown
    assert any("…" in (t or "") for t in shown)
    picture.html().encode()
    picture.dot().encode()


# ---- files ---------------------------------------------------------------------------------------


def test_files(tmp_path: Path) -> None:
    picture = ag.viz.draw(resnet_loss())
    for suffix in ("svg", "html", "dot", "png"):
        picture.save(tmp_path / f"graph.{suffix}")
    picture.save(str(tmp_path / "GRAPH.SVG"))
    ET.parse(tmp_path / "graph.svg")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert (tmp_path / "graph.html").read_text().startswith("<!DOCTYPE html>")
    dot = (tmp_path / "graph.dot").read_text()
    assert dot.startswith("digraph {") and dot.endswith("}")
    assert 'subgraph "cluster_layer1/0"' in dot
    assert '[label="(2, 16, 16, 16)"]' in dot


@pytest.mark.parametrize("name", ["graph.pdf", "graph", "graph.svg.gz"])
def test_other_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected \.svg, \.html, \.dot or \.png"):
        ag.viz.draw(expression()).save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_dot_quotes() -> None:
    names = {'say "hi"\\': (x := ag.tensor([1.0], requires_grad=True))}
    assert r"say \"hi\"\\" in ag.viz.draw(x * 2, names=names).dot()


@pytest.mark.parametrize(("library", "method"), [("igraph", "svg"), ("resvg_py", "png")])
def test_missing_library(library: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == library:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr("importlib.import_module", lambda name: refuse(name))
    picture = ag.viz.draw(expression())
    with pytest.raises(ImportError, match=r"pip install 'pyautograd\[viz\]'"):
        getattr(picture, method)()
    assert picture.dot()


@pytest.mark.parametrize("target", [3.0, [], [1, 2], None, "loss", np.zeros(2)])
def test_what_cannot_be_drawn(target: Any) -> None:
    with pytest.raises(TypeError, match="draw: expected a tensor"):
        ag.viz.draw(target)


def test_wrong_arguments() -> None:
    y = expression()
    for depth in (-1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="depth"):
            ag.viz.draw(y, depth)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="highlight"):
        ag.viz.draw(y, highlight="inf")
    with pytest.raises(ValueError, match="theme"):
        ag.viz.draw(y).svg("blue")


# ---- NaN -----------------------------------------------------------------------------------------


def test_the_way_of_a_nan() -> None:
    w = ag.tensor([0.0, 1.0], requires_grad=True)
    good = w.exp().sum()
    bad = w.log().sum()
    picture = ag.viz.draw(good + bad, highlight="nan")
    marked = {picture.graph.vertices[k].label for k in picture.cards.bad}
    assert marked == {"log", "sum", "add"}
    (first,) = picture.cards.first
    assert picture.graph.vertices[first].label == "log"
    assert picture.caption.startswith("NaN or infinite first in log")
    root = ET.fromstring(picture.svg())
    wires = [e for e in root.iter(f"{SVG}path") if e.get("class") == "ag-wire ag-bad"]
    assert len(wires) == 2


def test_the_way_goes_through_what_is_not_known() -> None:
    w = ag.tensor([0.0, 1.0], requires_grad=True)
    unknown = ag.tensor([1.0, 1.0])
    y = (w.log() + unknown).sum()  # nobody keeps the sum's operand
    picture = ag.viz.draw(y, highlight="nan")
    assert {picture.graph.vertices[k].label for k in picture.cards.bad} == {"log", "add", "sum"}


def test_a_nan_of_the_gradients() -> None:
    w = ag.tensor([0.0, 1.0], requires_grad=True)
    loss = (w.sqrt() * w).sum()
    picture = ag.viz.draw(loss, highlight="nan")
    (first,) = picture.cards.first
    assert picture.graph.vertices[first].label == "sqrt"
    assert "gradient made by sqrt" in picture.caption
    assert any(t.startswith("gradient 1 NaN") for t in words(picture.svg()))
    assert w.grad is None
    loss.backward()  # nothing was freed


def test_no_nan_is_said() -> None:
    y = expression()
    assert "no NaN" in ag.viz.draw(y, highlight="nan").caption
    y.backward()
    assert "that are known" in ag.viz.draw(y, highlight="nan").caption


def test_anomaly_mode_tells_of_the_picture() -> None:
    w = ag.tensor([0.0], requires_grad=True)
    told = pytest.raises(RuntimeError, match=r'ag\.viz\.draw\(loss, highlight="nan"\)')
    with told, ag.autograd.detect_anomaly():
        w.log()


def test_where_a_nan_was_born_is_unfolded() -> None:
    model = ResNet20()
    with ag.no_grad():
        model.layer2[1].bn1.weight.fill_(float("nan"))
    loss = F.cross_entropy(model(ag.randn(2, 3, 16, 16)), ag.randint(0, 10, (2,)))
    picture = ag.viz.draw(loss, highlight="nan")
    assert ("layer2", "1", "bn1") in picture.opened
    assert ("layer1", "0") not in picture.opened


# ---- in a browser --------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(
    browser: Any,
    picture: Any,
    folder: Path,
    width: int = 1280,
    height: int = 800,
    dark: bool = False,
) -> Iterator[Any]:
    """The picture's page in a window; a script error or a request for anything else fails."""
    file = folder / "graph.html"
    picture.save(file)
    wrong: list[str] = []
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on("request", lambda request: wrong.append(f"request: {request.url}"))
    page.goto(file.as_uri())
    wrong.remove(f"request: {file.as_uri()}")
    yield page
    page.close()
    assert not wrong, wrong


def test_page_folds_and_unfolds(browser: Any, tmp_path: Path) -> None:
    picture = ag.viz.draw(resnet_loss(), 0)
    with opened(browser, picture, tmp_path) as page:
        group = page.locator('[data-group="layer1"]').first
        assert group.get_attribute("aria-expanded") == "false"
        assert page.locator('[data-group="layer1/0"]').count() == 0
        group.click()
        assert page.locator('[data-group="layer1/0"]').count() == 1
        page.keyboard.press("Enter")  # it has kept the focus
        assert page.locator('[data-group="layer1/0"]').count() == 0
        page.get_by_role("button", name="Unfold").click()
        assert page.locator('[data-group="layer3/2"]').count() == 1
        page.get_by_role("button", name="Fold all").click()
        assert page.locator('[data-group="layer3/2"]').count() == 0


def test_page_and_svg_are_alike(browser: Any, tmp_path: Path) -> None:
    """The script places boxes and wires where the SVG has them."""
    picture = ag.viz.draw(resnet_loss(), 2)
    with opened(browser, picture, tmp_path) as page:
        found = page.evaluate(
            "scene.boxes.map((b) => [b.item.key ?? graph.groups[b.item.group].path, "
            "b.x, b.y, b.width, b.height])"
        )
        ways = page.evaluate("scene.lines.map((l) => l.points.map((p) => p.slice(0, 2)))")
    scene = picture.stage.scene(picture.opened)
    places = {tuple(name) if isinstance(name, list) else name: place for name, *place in found}
    for box in scene.boxes:
        name = "/".join(box.name) if isinstance(box.name, tuple) else box.name
        np.testing.assert_allclose(places[name], [box.x, box.y, box.width, box.height], atol=2)
    assert len(found) == len(scene.boxes)
    expected = sorted([(p.x, p.y) for p in line.points] for line in scene.lines)
    for a, b in zip(sorted(ways), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2)


def test_page_words_fit_their_boxes(browser: Any, tmp_path: Path) -> None:
    picture = ag.viz.draw(resnet_loss(), 9)
    with opened(browser, picture, tmp_path) as page:
        sticking_out = page.evaluate(
            """[...document.querySelectorAll("[data-key], [data-group][aria-expanded=false]")]
            .flatMap((g) => {
              const box = g.querySelector(".ag-card").getBBox();
              return [...g.querySelectorAll("text")].filter((t) => {
                const b = t.getBBox();
                return b.x < box.x || b.x + b.width > box.x + box.width
                  || b.y < box.y || b.y + b.height > box.y + box.height;
              }).map((t) => t.textContent);
            })"""
        )
    assert sticking_out == []


def test_page_moves_and_zooms(browser: Any, tmp_path: Path) -> None:
    picture = ag.viz.draw(resnet_loss())
    with opened(browser, picture, tmp_path, 390, 844, dark=True) as page:
        before = page.evaluate("({ ...at })")
        page.mouse.move(60, 400)
        page.mouse.wheel(0, -400)
        page.wait_for_function(f"at.scale > {before['scale']}")
        folded = page.locator("[aria-expanded=false]").count()
        page.mouse.down()
        page.mouse.move(100, 300, steps=4)
        page.mouse.up()
        assert page.locator("[aria-expanded=false]").count() == folded, "a drag is no click"
        moved = page.evaluate("({ ...at })")
        assert moved["y"] != before["y"]
        page.keyboard.press("0")
        whole = page.evaluate("[at.scale * whole.innerHeight, view.clientHeight]")
        assert whole[0] < whole[1]
        paper = page.evaluate("getComputedStyle(document.querySelector('.ag-paper')).fill")
        assert paper == "rgb(14, 19, 26)"
