"""The step-through page, in a browser: what it shows at each step."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn
from pyautograd.op import OPS
from pyautograd.utils.checkpoint import checkpoint
from pyautograd.viz.formulas import ELEMENTWISE, OTHERS, formula
from pyautograd.viz.graph import Graph
from pyautograd.viz.math import mathml

pytest.importorskip("igraph", reason="needs the extra viz")
pytest.importorskip("latex2mathml", reason="needs the extra viz")
F = nn.functional
Open = Callable[..., Any]


@pytest.fixture
def shown(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens the page of a tensor; fails where its script does, or asks for anything else."""
    errors: list[str] = []
    contexts = []

    def show(target: Any, width: int = 1280, height: int = 800, **options: Any) -> Any:
        file = tmp_path / "page.html"
        options.setdefault("names", sys._getframe(1).f_locals)
        ag.viz.page(target, file, **options)
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="light",
            reduced_motion="reduce", offline=True, has_touch=width < 760,
        )  # fmt: skip
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(20_000)
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda message: errors.append(message.text))
        tab.on("requestfailed", lambda request: errors.append(request.url))
        tab.goto(file.as_uri())
        return tab

    yield show
    for context in contexts:
        context.close()
    assert not errors


def step(tab: Any, count: int) -> None:
    for _ in range(count):
        tab.keyboard.press("ArrowRight")


def text(tab: Any, selector: str) -> str:
    return " ".join(tab.locator(selector).inner_text().split())


def card(tab: Any, key: int) -> Any:
    return tab.locator(f'.card[data-name="{key}"]')


def labels(tab: Any) -> dict[str, list[str]]:
    """What stands on the edges, by `source>target:slot`."""
    found = tab.locator(".label:visible").all()
    return {x.get_attribute("data-edge"): x.inner_text().split("\n") for x in found}


def numbers(tab: Any, name: str) -> list[list[float]]:
    """Those of a heat map, as it tells them to who does not see it."""
    label = tab.get_by_role("img", name=name).get_attribute("aria-label")
    rows = label.removeprefix(name).replace("−", "-").split(";")
    return [[float(x) for x in row.split(",")] for row in rows]


# ---- the article's cases -------------------------------------------------------------------------


@pytest.fixture
def total() -> Any:
    """(2 * 100 + 3 * 150) * 1.1."""
    two, apple, three, orange, tax = [
        ag.tensor(x, requires_grad=True) for x in (2.0, 100.0, 3.0, 150.0, 1.1)
    ]
    return (two * apple + three * orange) * tax


def test_forward_then_backward_of_an_expression(shown: Open, total: Any) -> None:
    tab = shown(total)
    assert text(tab, "#count") == "0 of 9"
    assert "5 inputs" in text(tab, "#caption")
    assert "waiting" in card(tab, 2).get_attribute("class")
    values = []
    for _ in range(4):
        step(tab, 1)
        values.append(tab.locator(".card.active .value").inner_text())
    assert values == ["200", "450", "650", "715"]
    assert not labels(tab)
    step(tab, 1)
    assert "backward starts" in text(tab, "#caption")
    step(tab, 4)
    assert text(tab, "#count") == "9 of 9"
    grads = {
        x.locator(".value").inner_text(): x.locator(".grad").inner_text()
        for x in tab.locator(".card").all()
    }
    assert grads == {
        "2": "∂ 110", "100": "∂ 2.2", "200": "∂ 1.1", "3": "∂ 165", "150": "∂ 3.3",
        "450": "∂ 1.1", "650": "∂ 1.1", "1.1": "∂ 650", "715": "∂ 1",
    }  # fmt: skip
    found = labels(tab)
    assert found["0>2:0"] == ["× 100", "110"]
    assert found["1>2:1"] == ["× 2", "2.2"]


def test_backward_goes_one_node_at_a_time(shown: Open, total: Any) -> None:
    tab = shown(total)
    step(tab, 6)
    assert len(labels(tab)) == 2
    assert tab.locator(".edge.sending").count() == 2
    assert tab.locator(".card .grad").count() == 3
    tab.keyboard.press("ArrowLeft")
    assert not labels(tab)
    assert tab.locator(".card .grad").count() == 1


def test_formulas_name_the_values_and_say_the_numbers(shown: Open, total: Any) -> None:
    tab = shown(total)
    step(tab, 6)
    sums = [x.inner_text() for x in tab.locator("#panel .formula").all()]
    assert any("650" in x and "1.1" in x and "715" in x for x in sums)
    assert tab.locator("#panel mfrac").count() > 2
    step(tab, 1)
    assert "sends1.1to𝑣1,1.1to𝑣2" in text(tab, "#caption").replace(" ", "")


def test_network_of_matrix_products(shown: Open) -> None:
    x = ag.rand(4, 3)
    w1, w2 = ag.randn(3, 5, requires_grad=True), ag.randn(5, 2, requires_grad=True)
    loss = ((x @ w1).relu() @ w2).sum()
    w1_grad, _ = ag.autograd.grad(loss, (w1, w2), retain_graph=True)
    tab = shown(loss)
    tab.keyboard.press("End")
    tab.get_by_role("button", name="input w1").click()
    read = numbers(tab, "gradient of w1")
    np.testing.assert_allclose(read, w1_grad.numpy(), rtol=1e-4)
    assert "𝑥" in text(tab, "#panel .formula")
    assert "3 × 5" in text(tab, "#panel .meta >> nth=0")


def test_window_of_a_convolution(shown: Open) -> None:
    image = ag.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    image.requires_grad = True
    kernel = ag.tensor([[[[1.0, 0.0], [0.0, -1.0]]]], requires_grad=True)
    bias = ag.tensor([10.0], requires_grad=True)
    tab = shown(F.conv2d(image, kernel, bias).sum())
    step(tab, 1)
    box = tab.locator(".windows")
    assert box.get_attribute("data-window") == "0,0"
    assert text(tab, ".windows .sum") == "window (0, 0): 1·1 + 2·0 + 5·0 + 6·(−1) + bias 10 = 5"
    slider = tab.get_by_label("Place of the window")
    slider.focus()
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    assert text(tab, "#count").startswith("1 of")  # the keys moved the window alone
    assert box.get_attribute("data-window") == "1,1"
    marks = [x.get_attribute("data-at") for x in tab.locator(".windows .mark").all()]
    assert marks == ["1,1,2,2", "1,1,1,1", "0,4,4,1"]  # in the input, the output, im2col
    expected = F.unfold(image.detach(), 2).numpy()[0]
    np.testing.assert_array_equal(numbers(tab, "im2col matrix"), expected)


def test_argmax_mask_of_max_pooling(shown: Open) -> None:
    rows = [[1.0, 5, 2, 2], [3, 4, 0, 1], [9, 9, -1, -2], [8, 9, -3, -4]]
    x = ag.tensor(rows).reshape(1, 1, 4, 4)
    x.requires_grad = True
    _, where = F.max_pool2d(x.detach(), 2, return_indices=True)
    tab = shown(F.max_pool2d(x, 2).sum())
    step(tab, 1)
    box = tab.locator(".windows")
    winners = [f"{i // 4},{i % 4}" for i in where.numpy().ravel()]
    assert box.get_attribute("data-mask").split() == winners  # the first of equal ones
    assert box.get_attribute("data-winner") == "0,1"
    assert "max of 1, 5, 3, 4 = 5" in text(tab, ".windows .sum")


def test_windows_of_average_pooling(shown: Open) -> None:
    x = ag.arange(16.0).reshape(1, 1, 4, 4)
    x.requires_grad = True
    tab = shown(F.avg_pool2d(x, 2).sum())
    step(tab, 1)
    assert "mean of 0, 1, 4, 5 = 2.5" in text(tab, ".windows .sum")


# ---- what the reader does ------------------------------------------------------------------------


def test_keys_buttons_and_slider_step(shown: Open, total: Any) -> None:
    tab = shown(total)
    tab.keyboard.press("End")
    assert text(tab, "#count") == "9 of 9"
    assert tab.get_by_role("button", name="One step on").is_disabled()
    tab.get_by_role("button", name="One step back").click()
    assert text(tab, "#count") == "8 of 9"
    tab.get_by_role("slider", name="Step").fill("3")
    assert text(tab, "#count") == "3 of 9"
    tab.keyboard.press("Home")
    assert text(tab, "#count") == "0 of 9"
    tab.keyboard.press(" ")
    tab.wait_for_function("document.body.dataset.step >= 1")
    tab.get_by_role("button", name="Pause").click()


def test_search_finds_by_name_and_op(shown: Open, total: Any) -> None:
    tab = shown(total, names={})
    tab.keyboard.press("/")
    tab.keyboard.type("mul")
    assert text(tab, "#found") == "3"
    assert tab.locator(".card:not(.dim)").count() == 3
    tab.keyboard.press("Enter")
    assert text(tab, "#found") == "1 of 3"
    assert text(tab, "#panel h2").startswith("mul")
    tab.keyboard.press("Escape")
    assert tab.locator(".card.dim").count() == 0


def test_theme_follows_the_system_and_a_button(shown: Open, total: Any) -> None:
    tab = shown(total)
    root = tab.locator("html")
    assert root.get_attribute("data-theme") == "light"
    tab.emulate_media(color_scheme="dark")
    tab.locator('html[data-theme="dark"]').wait_for()
    tab.get_by_role("button", name="Switch between light and dark").click()
    assert root.get_attribute("data-theme") == "light"


def test_pan_zoom_and_fit(shown: Open, total: Any) -> None:
    tab = shown(total)
    transform = "document.getElementById('world').style.transform"
    before = tab.evaluate(transform)
    tab.mouse.move(60, 400)
    tab.mouse.down()
    tab.mouse.move(120, 440)
    tab.mouse.up()
    moved = tab.evaluate(transform)
    tab.mouse.wheel(0, -200)
    zoomed = tab.evaluate(transform)
    assert before != moved
    assert moved.split("scale")[1] != zoomed.split("scale")[1]
    tab.keyboard.press("0")
    area, boxes = tab.locator("#graph").bounding_box(), tab.locator(".card").all()
    for x in boxes:
        box = x.bounding_box()
        assert box["x"] >= area["x"]
        assert box["y"] + box["height"] <= area["y"] + area["height"]


def test_hover_and_click_tell_of_a_value(shown: Open, total: Any) -> None:
    tab = shown(total)
    tab.keyboard.press("End")
    card(tab, 5).hover()
    tab.locator("#hover").wait_for()
    assert "450" in text(tab, "#hover")
    card(tab, 5).click()
    assert "sent on" in text(tab, "#panel").lower()


def test_modules_fold_and_unfold(shown: Open) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with ag.viz.record():
        loss = F.mse_loss(model(ag.rand(5, 3)), ag.rand(5, 2))
    tab = shown(loss)
    assert tab.locator(".frame").count() == 2
    tab.get_by_role("button", name="Fold all").click()
    assert tab.locator(".frame").count() == 0
    assert tab.locator(".card.group").count() == 2
    tab.keyboard.press("0")
    tab.get_by_role("button", name="module 0, Linear: unfold").click()
    assert tab.locator(".frame").count() == 1
    tab.get_by_role("button", name="Fold module 0").click()
    assert tab.locator(".frame").count() == 0
    tab.keyboard.press("/")
    tab.keyboard.type("0.weight")
    tab.keyboard.press("Enter")  # what is found is unfolded
    assert tab.locator(".card.parameter:not(.dim)").count() == 1


def test_phone(shown: Open, total: Any) -> None:
    tab = shown(total, width=390, height=844)
    step(tab, 7)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("One step on", "One step back", "Play"):
        box = tab.get_by_role("button", name=name, exact=True).bounding_box()
        assert box["y"] + box["height"] <= 844
        assert box["height"] >= 40
    assert tab.locator("#panel").bounding_box()["height"] > 200
    tab.get_by_role("button", name="Fit the whole graph").tap()
    card(tab, 2).tap()
    assert "v1" in text(tab, "#panel h2").replace(" ", "")


# ---- odd graphs ----------------------------------------------------------------------------------


def test_nan_and_infinity_are_told_apart(shown: Open) -> None:
    x = ag.tensor([-1.0, 4.0], requires_grad=True)
    tab = shown((x.sqrt() / ag.tensor([1.0, 0.0])).sum())
    step(tab, 2)
    assert "1 NaN, 1 infinite of 2" in text(tab, "#panel")
    assert "NaN, ∞" in tab.get_by_role("img", name="value of v2").get_attribute("aria-label")
    tab.keyboard.press("ArrowLeft")
    assert "made here" in text(tab, "#panel")


@pytest.mark.parametrize("shape", [(), (0, 3), (2,), (2, 3, 4, 5)])
def test_one_leaf(shown: Open, shape: tuple[int, ...]) -> None:
    tab = shown(ag.zeros(shape, dtype=ag.float64, requires_grad=True))
    tab.keyboard.press("End")
    assert tab.locator(".card").count() == 1
    assert "float64" in text(tab, "#panel")


def test_without_a_gradient(shown: Open) -> None:
    tab = shown(ag.tensor([1.0, 2.0]))
    assert "requires no gradient" in text(tab, "#panel")
    assert text(tab, "#count") == "0 of 0"


def test_odd_names_stay_text(shown: Open) -> None:
    price = ag.tensor(2.0, requires_grad=True)
    names = {"价格": price, "<img src=x onerror=alert(1)>" * 9: ag.tensor(1.0)}
    tab = shown(price * 3.0, title="</script><script>alert(1)</script> 𝕏", names=names)
    assert text(tab, "#title") == "</script><script>alert(1)</script> 𝕏"
    assert "价格" in text(tab, ".card.input")


def test_shared_values_add_what_arrives(shown: Open) -> None:
    a = ag.tensor(3.0, requires_grad=True)
    tab = shown(a * a + a)
    step(tab, 4)
    partial = tab.locator(".card.input .grad")
    assert partial.inner_text() == "∂ 1 1/3"
    step(tab, 1)
    assert partial.inner_text() == "∂ 7"
    assert len(labels(tab)) == 4


def test_two_hundred_layers(shown: Open) -> None:
    layers = [layer for _ in range(100) for layer in (nn.Linear(4, 4), nn.Tanh())]
    with ag.viz.record():
        loss = nn.Sequential(*layers)(ag.rand(2, 4)).sum()
    tab = shown(loss)
    tab.keyboard.press("End")
    assert text(tab, "#count") == "403 of 403"
    tab.get_by_role("button", name="Unfold all").click()
    assert tab.locator(".card").count() == 402


def test_values_that_were_not_kept(shown: Open) -> None:
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    loss = (x - ag.tensor([5.0, 6.0])).exp().sum()
    tab = shown(loss, names={})
    assert "record()" in text(tab, "#panel")
    with ag.viz.record():
        loss = (x - ag.tensor([5.0, 6.0])).exp().sum()
    tab = shown(loss, names={})
    assert "record()" not in text(tab, "#panel")


def test_large_arrays_are_cut(shown: Open, tmp_path: Path) -> None:
    w = ag.rand(300, 500, requires_grad=True)
    tab = shown((w * 2.0).sum())
    tab.keyboard.press("End")
    tab.get_by_role("button", name="input w").click()
    assert "first 64 × 64 of 300 × 500" in text(tab, "#panel")
    assert (tmp_path / "page.html").stat().st_size < 400_000


# ---- what else a graph may hold ------------------------------------------------------------------


class Both(ag.autograd.Function):
    """(2 x, x^2)."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2.0, x * x

    @staticmethod
    def backward(ctx: Any, a: Any, b: Any) -> Any:
        (x,) = ctx.saved_tensors
        return a * 2.0 + b * 2.0 * x


def test_functions_with_several_outputs(shown: Open) -> None:
    x = ag.tensor(3.0, requires_grad=True)
    p, q = Both.apply(x)
    tab = shown(p * q)  # 2 x^3
    tab.keyboard.press("End")
    assert tab.locator(".card.input .grad").inner_text() == "∂ 54"


def test_checkpoints_and_second_derivatives(shown: Open) -> None:
    x = ag.tensor(2.0, requires_grad=True)
    tab = shown(checkpoint(lambda x: (x * x) * x, x, use_reentrant=False))
    tab.keyboard.press("End")
    assert tab.locator(".card.input .grad").inner_text() == "∂ 12"
    (slope,) = ag.autograd.grad(x**3, x, create_graph=True)
    tab = shown(slope)
    tab.keyboard.press("End")
    assert tab.locator(".card.input .grad").inner_text() == "∂ 12"


def test_a_frozen_bias_is_not_taken_for_none() -> None:
    layer = nn.Conv2d(1, 1, 2)
    layer.bias.requires_grad = False
    out = layer(ag.rand(1, 1, 3, 3)).sum()
    graph = Graph.of(out, {"layer": layer})
    (conv,) = [v for v in graph.vertices.values() if v.label == "conv2d"]
    assert conv.value is None


# ---- nothing changes -----------------------------------------------------------------------------


def test_the_graph_and_the_gradients_stay_as_they_were() -> None:
    w = ag.rand(3, requires_grad=True)
    w.grad = ag.ones(3)
    seen: list[Any] = []
    middle = w * 2.0
    middle.retain_grad()
    w.register_hook(seen.append)
    middle.grad_fn.register_hook(lambda *grads: seen.append(grads))
    loss = middle.exp().sum()
    ag.viz.page(loss)
    np.testing.assert_array_equal(w.grad.numpy(), np.ones(3))
    assert middle.grad is None
    assert not seen
    loss.backward()
    assert len(seen) == 2
    np.testing.assert_allclose(w.grad.numpy(), 1 + 2 * np.exp(2 * w.detach().numpy()), rtol=1e-5)


def test_errors_say_what_came() -> None:
    x = ag.rand(3, requires_grad=True)
    loss = x.exp().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"backward has freed the values that exp saved"):
        ag.viz.page(loss)
    with pytest.raises(TypeError, match="expected a tensor, got int"):
        ag.viz.page(3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        ag.viz.page(x.sum(), "no/such/folder/page.html")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    mathml.cache_clear()
    with pytest.raises(ImportError, match=r"needs latex2mathml.*pyautograd\[viz\]"):
        ag.viz.page(ag.ones(2, requires_grad=True).sum())


def test_notebooks_show_it() -> None:
    shown = ag.viz.page(ag.ones(2, requires_grad=True).sum())._repr_html_()
    assert shown.startswith("<iframe srcdoc=")


# ---- formulas ------------------------------------------------------------------------------------


def test_every_op_has_a_formula() -> None:
    """Gradient ops aside, which only graphs of second derivatives hold."""
    nn.functional.relu6  # noqa: B018  # the families load
    missing = [
        op.name
        for op in OPS.values()
        if op.rule is not None
        and not op.name.endswith(("_grad", "_scatter", "_gather"))
        and op.kind != "factorisation"  # eigenvectors and the like: no formula in a line
        and op.name not in {**ELEMENTWISE, **OTHERS, "cat": ()}
    ]
    assert missing == []
    assert not [name for name in {**ELEMENTWISE, **OTHERS} if name not in OPS]


@pytest.mark.parametrize("name", [*ELEMENTWISE, *OTHERS])
def test_formulas_fit_their_ops(name: str) -> None:
    """A row takes the attributes of the op's calls, has one gradient an operand, and is LaTeX."""
    op, row = OPS[name], {**ELEMENTWISE, **OTHERS}[name]
    attrs: tuple[Any, ...] = ()
    if callable(row):
        rule = inspect.signature(op.rule).parameters  # K, g, saved, needs, and the attributes
        taken = inspect.signature(row).parameters
        if not any(p.kind is p.VAR_POSITIONAL for p in rule.values()):
            assert len(taken) == len(rule) - 4
        attrs = tuple((1, 0) if key == "dims" else 1 for key in taken)
    made = formula(name, attrs, op.inputs, frozenset())
    assert len(made.grads) == op.inputs
    for latex in (made.value, *made.local, *made.grads):
        if latex is not None:
            assert "<merror" not in mathml(latex)
            assert "\\" not in mathml(latex)


def test_functions_of_the_user_s_keep_their_names_to_themselves(shown: Open) -> None:
    class sum(ag.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2.0

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2.0

    tab = shown(sum.apply(ag.tensor(3.0, requires_grad=True)))
    tab.keyboard.press("End")
    assert "sum" in text(tab, "#panel h2")
