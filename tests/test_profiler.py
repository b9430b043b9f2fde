"""Profiles: what is counted, how it adds up, and that nothing is left behind."""

from __future__ import annotations

import gc
import json
import sys
import threading
import weakref
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn, tape
from pyautograd.op import OPS
from pyautograd.profiler import machine_limits, profile, record_function
from pyautograd.profiler.seams import _SEAMS


def rows(p: Any, **options: Any) -> dict[tuple[str, str], Any]:
    return {(row.name, row.phase): row for row in p.key_averages(**options)}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        return self.head(self.body(self.conv(x)).mean((2, 3)))


def trained(steps: int = 1) -> tuple[Any, Any]:
    """(the profile of some steps of training, the model)."""
    model = Net()
    optimizer = ag.optim.Adam(model.parameters())
    data = ag.data.TensorDataset(ag.rand(4 * steps, 3, 8, 8), ag.randint(0, 4, (4 * steps,)))
    loader = ag.data.DataLoader(data, batch_size=4)
    with profile() as p:
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    return p, model


# ---- what an op costs ----------------------------------------------------------------------------


def test_every_op_states_its_cost() -> None:
    for op in OPS.values():
        assert callable(op.flops), op


@pytest.mark.parametrize(
    ("run", "name", "flops", "elements"),
    [
        (lambda: ag.ones(3, 4) @ ag.ones(4, 5), "matmul", 2 * 3 * 4 * 5, 12 + 20 + 15),
        (lambda: ag.ones(2, 3, 4) @ ag.ones(2, 4, 5), "matmul", 2 * 2 * 60, 24 + 40 + 30),
        (lambda: ag.ones(3, 4) + ag.ones(4), "add", 12, 12 + 4 + 12),
        (lambda: ag.ones(3, 4).expand(2, 3, 4) * 2.0, "mul", 24, 12 + 24),
        (lambda: ag.ones(3, 4).sum(1), "sum", 12, 12 + 3),
        (lambda: ag.ones(3, 4).t(), "permute", 0, 0),
        (
            lambda: nn.functional.conv2d(ag.ones(2, 4, 6, 6), ag.ones(8, 2, 3, 3), groups=2),
            "conv2d",
            2 * (2 * 8 * 4 * 4) * (2 * 9),
            2 * 4 * 36 + 8 * 2 * 9 + 2 * 8 * 16,
        ),
        (lambda: nn.functional.linear(ag.ones(2, 3), ag.ones(4, 3)), "linear", 48, 6 + 12 + 8),
        (lambda: ag.cat([ag.ones(2), ag.ones(3)]), "cat", 0, 10),
    ],
)
def test_flops_and_bytes(run: Any, name: str, flops: int, elements: int) -> None:
    with profile() as p:
        run()
    row = rows(p)[name, "forward"]
    assert (row.calls, row.flops, row.bytes) == (1, flops, 4 * elements)


def test_both_gradients_of_a_convolution_cost_what_it_costs() -> None:
    x = ag.rand(2, 4, 7, 9, requires_grad=True)
    w = ag.rand(6, 2, 3, 3, requires_grad=True)
    with profile() as p:
        nn.functional.conv2d(x, w, stride=2, padding=1, groups=2).sum().backward()
    found = rows(p)
    flops = {found[key].flops for key in found if key[0].startswith("conv2d")}
    assert flops == {2 * (2 * 6 * 4 * 5) * (2 * 9)}
    assert ("conv2d_input_grad", "backward") in found
    assert ("conv2d_weight_grad", "backward") in found


def test_picking_rows_reads_only_these() -> None:
    table, index = ag.ones(1000, 4), ag.tensor([1, 2, 3])
    with profile() as p:
        table[index]
    (row,) = [r for r in p.key_averages() if r.name == "index"]
    assert row.bytes == 2 * 3 * 4 * 4 + index.numpy().nbytes


def test_dtypes_and_limits() -> None:
    limits = machine_limits()
    assert limits is machine_limits()
    assert limits.flops[4] > 1e9
    assert limits.bandwidth > 1e8
    cost = OPS["matmul"].cost([None, None], (), [])
    assert limits.seconds(cost) == 0.0
    x = ag.rand(256, 256, dtype=ag.float64)
    with profile() as p:
        x @ x
    row = rows(p)["matmul", "forward"]
    assert row.limit >= 2 * 256**3 / limits.flops[8]
    assert 0 < row.share_of_limit < 3


# ---- how it adds up ------------------------------------------------------------------------------


def test_self_times_add_up_to_the_whole() -> None:
    p, _ = trained(3)
    whole = p.events[0].time
    assert sum(row.self_time for row in p.key_averages()) == whole
    assert all(event.self_time >= 0 for event in p.events)
    for event in p.events[1:]:
        assert event.parent.start <= event.start <= event.end <= event.parent.end


def test_phases_and_kinds() -> None:
    p, _ = trained(2)
    found = rows(p)
    assert found["conv2d", "forward"].calls == 2
    assert found["conv2d_weight_grad", "backward"].calls == 2
    assert ("conv2d_input_grad", "backward") not in found  # the images need none
    assert found["Adam.step", "update"].calls == 2
    assert found["DataLoader", "data"].calls == 3  # the third finds the end
    assert ("Python and the rest", "backward") in found
    size = sum(q.numel() for q in Net().parameters()) * 4
    # Parameters and two states read and written, gradients read.
    assert found["Adam.step", "update"].bytes == 2 * size * (2 + 1 + 4)


def test_modules_forward_and_backward() -> None:
    p, _ = trained(2)
    found = {row.path: row for row in p.modules()}
    assert list(found) == [
        "Net", "Net.conv", "Net.body", "Net.body.0", "Net.body.1", "Net.head"
    ]  # fmt: skip
    net, conv, body = found["Net"], found["Net.conv"], found["Net.body"]
    assert {row.calls for row in found.values()} == {2}
    assert conv.flops == 2 * 2 * (4 * 8 * 64) * 27
    assert net.flops > conv.flops + found["Net.head"].flops
    assert body.total_time == found["Net.body.0"].total_time + (
        found["Net.body.1"].total_time + body.self_time
    )
    for row in found.values():
        assert row.total_time >= row.self_time >= 0
        assert row.backward_time > 0
    assert net.backward_time >= conv.backward_time + body.backward_time
    nodes = [e for e in p.events if e.kind == "node" and e.name == "Conv2dBackward"]
    assert {str(e.module) for e in nodes} == {"Net.conv"}


def test_a_module_called_twice_and_one_shared() -> None:
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.Sequential(layer, nn.ReLU()))
    with profile() as p:
        model(ag.ones(1, 3))
        model(ag.ones(1, 3))
    found = [(row.path, row.calls) for row in p.modules()]
    assert found == [
        ("Sequential", 2), ("Sequential.0", 2), ("Sequential.1", 2),
        ("Sequential.1.0", 2), ("Sequential.1.1", 2),
    ]  # fmt: skip


def test_shapes_apart() -> None:
    with profile() as p:
        ag.ones(2).exp()
        ag.ones(3).exp()
        ag.ones(3).exp()
    assert rows(p)["exp", "forward"].calls == 3
    apart = [r for r in p.key_averages(group_by_input_shape=True) if r.name == "exp"]
    assert [(r.shapes, r.calls) for r in apart] == [(((2,),), 1), (((3,),), 2)]


def test_memory_of_ops_and_the_users_own_peak() -> None:
    ag.zeros(3_000_000)
    before = ag.memory_stats()["peak"]
    with profile() as p:
        x = ag.ones(1000, 1000)
        y = x + 1.0
        del x, y
        ag.ones(10).exp()
    add, exp = [e for e in p.events if e.kind == "op"]
    assert add.peak >= 8_000_000
    assert add.peak - exp.peak >= 8_000_000
    assert p.memory_peak >= add.peak
    assert ag.memory_stats()["peak"] >= before
    ag.reset_peak_memory_stats()
    assert ag.memory_stats()["peak"] < before


def test_gradients_added_up_are_seen() -> None:
    x = ag.rand(300, 300, requires_grad=True)
    x.sum().backward()
    with profile() as p:
        x.sum().backward()
    # The gradient so far is read and written; what is added is one number, repeated.
    assert rows(p)["add_into", "backward"].bytes == 2 * 4 * 300 * 300 + 4


# ---- where it is used ----------------------------------------------------------------------------


def left_nothing() -> bool:
    return all(not hasattr(getattr(owner, name), "__wrapped__") for owner, name, _ in _SEAMS)


def test_errors_inside_leave_a_profile_and_nothing_watched() -> None:
    x = ag.ones(2, 3)
    model = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(ValueError, match="linear"), profile() as p:
        x.exp()
        model(x)
    assert [e.name for e in p.events] == ["profile", "exp", "Sequential", "0"]
    assert all(e.end >= e.start for e in p.events)
    assert left_nothing()
    assert tape.arrays.add_into is ag._C.add_into
    count = len(p.events)
    x.exp()
    assert len(p.events) == count


def test_nested_profiles() -> None:
    model = nn.Linear(2, 2)
    with profile() as outer:
        model(ag.ones(1, 2))
        with profile() as inner:
            model(ag.ones(1, 2)).sum().backward()
            ag.ones(1000, 1000).abs()
        ag.ones(2).exp()
    assert rows(inner)["linear", "forward"].calls == 1
    assert rows(outer)["linear", "forward"].calls == 2
    assert ("exp", "forward") not in rows(inner)
    for p in (inner, outer):
        assert rows(p)["abs", "forward"].peak >= 8_000_000
    assert outer.memory_peak >= inner.memory_peak >= 8_000_000
    assert sum(row.self_time for row in outer.key_averages()) == outer.events[0].time
    assert left_nothing()


def test_threads_are_apart() -> None:
    found: dict[int, Any] = {}
    together = threading.Barrier(3)

    def work(i: int) -> None:
        model, x = nn.Linear(4, 4), ag.ones(2, 4)
        together.wait()
        for _ in range(20):
            with profile() as p:
                for _ in range(i):
                    model(x).sum().backward()
            found[i] = p

    threads = [threading.Thread(target=work, args=(i,)) for i in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, p in found.items():
        assert rows(p)["linear", "forward"].calls == i
        assert p.modules()[0].calls == i
    assert left_nothing()


def test_other_modes() -> None:
    x = ag.ones(3, requires_grad=True)
    with ag.no_grad(), profile() as p:
        x.exp()
    assert rows(p)["exp", "forward"].calls == 1
    with profile() as p, ag.autograd.detect_anomaly():
        (x * 2.0).sum().backward()
        with pytest.raises(RuntimeError, match="made NaN"):
            (x - 2.0).sqrt()
    assert ("mul", "backward") in rows(p)
    with ag.autograd.detect_anomaly(), profile() as p:
        (x * 2.0).sum().backward()
    assert ("mul", "backward") in rows(p)
    with profile() as p:
        (dx,) = ag.autograd.grad((x**3).sum(), x, create_graph=True)
        dx.sum().backward()
    assert [e.kind for e in p.events if e.name == "backward"] == ["backward", "backward"]
    with profile() as p:
        ag.vmap(lambda a: a.sin())(ag.ones(5, 2))
    assert rows(p)["sin", "forward"].calls == 1


def test_checkpoint_runs_modules_in_backward() -> None:
    model = nn.Linear(3, 3)
    x = ag.ones(2, 3, requires_grad=True)
    with profile() as p:
        ag.utils.checkpoint.checkpoint(model, x).sum().backward()
    found = rows(p)
    assert found["linear", "forward"].calls == 1
    assert found["linear", "backward"].calls == 1
    assert sum(row.self_time for row in p.key_averages()) == p.events[0].time


def test_the_optimizers_closure_is_not_its_update() -> None:
    w = ag.ones(3, requires_grad=True)
    optimizer = ag.optim.SGD([w], lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with profile() as p:
        optimizer.step(closure)
    assert ("mul", "forward") in rows(p)
    assert rows(p)["SGD.step", "update"].calls == 1


def test_marked_parts() -> None:
    @record_function("twice")
    def twice(x: Any) -> Any:
        return x * 2.0

    twice(ag.ones(2))
    with profile() as p, record_function("outer"):
        twice(ag.ones(2))
        with record_function("outer"):
            pass
    assert [(e.name, e.kind) for e in p.events[1:]] == [
        ("outer", "function"), ("twice", "function"), ("mul", "op"), ("outer", "function"),
    ]  # fmt: skip
    text = p.table(width=80)
    outer = next(line for line in text.splitlines() if line.startswith("outer"))
    assert float(outer.split()[2]) == pytest.approx(p.events[1].time / 1e6, abs=1e-3)
    with pytest.raises(TypeError, match="expected a str, got int"):
        record_function(3)  # type: ignore[arg-type]


# ---- compiled plans ------------------------------------------------------------------------------


def test_plans_by_instruction() -> None:
    model = Net()
    optimizer = ag.optim.SGD(model.parameters(), lr=0.01)

    @ag.compile
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = ag.rand(4, 3, 8, 8), ag.arange(4)
    with profile() as first:
        step(x, y)
    assert [e.name for e in first.events if e.kind == "compile"] == ["compile step"]
    assert not [e for e in first.events if e.kind == "module"]
    with profile() as p:
        losses = [step(x, y).item(), step(x, y).item()]
    found = rows(p)
    assert found["conv2d", "forward"].calls == 2
    assert found["conv2d", "forward"].flops == 2 * 2 * (4 * 8 * 64) * 27
    assert found["conv2d_weight_grad", "backward"].calls == 2
    assert found["SGD.step", "update"].bytes == 2 * 3 * 4 * sum(
        q.numel() for q in model.parameters()
    )
    assert losses[1] < losses[0]
    assert sum(row.self_time for row in p.key_averages()) == p.events[0].time
    plans = [e for e in p.events if e.kind == "plan"]
    assert [e.name for e in plans] == ["step", "step"]
    assert "test_profiler.py" in found["conv2d", "forward"].detail or (
        "conv.py" in found["conv2d", "forward"].detail
    )


def test_what_was_fused_and_the_same_results() -> None:
    @ag.compile
    def f(x: Any, y: Any) -> Any:
        return (x * y + y).tanh() * y

    x, y = ag.rand(50, 40), ag.rand(50, 40)
    plain = f(x, y).numpy()
    with profile() as p:
        watched = f(x, y).numpy()
    np.testing.assert_array_equal(plain, watched)
    (step,) = [e for e in p.events if e.kind == "step"]
    assert step.name == "mul+add+tanh+mul"
    assert step.cost == (4 * 2000, 3 * 8000)
    assert "tanh() * y" in step.detail


def test_gradients_of_a_compiled_function() -> None:
    model = nn.Linear(3, 2)
    compiled = ag.compile(model)
    x = ag.rand(5, 3)
    compiled(x).sum().backward()
    with profile() as p:
        compiled(x).sum().backward()
    plans = [(e.name, e.phase) for e in p.events if e.kind == "plan"]
    assert plans == [("Linear", "forward"), ("Linear, gradients", "backward")]


def test_python_steps_of_a_plan() -> None:
    @ag.compile
    def f(x: Any) -> Any:
        return x.sort(0)[0].exp()

    x = ag.rand(30)
    f(x)
    with profile() as p:
        f(x)
    assert {"sort", "exp"} <= {e.name for e in p.events if e.kind == "step"}


def test_no_profile_inside_of_a_graph() -> None:
    @ag.compile
    def f(x: Any) -> Any:
        with profile():
            return x + 1.0

    with pytest.raises(RuntimeError, match="profile cannot be part of a static graph"):
        f(ag.ones(2))
    assert left_nothing()


# ---- how it is shown -----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 120])
def test_tables(width: int) -> None:
    p, _ = trained(2)
    text = p.table(width=width)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "conv2d" in text
    assert "body" in text
    assert "100.0" in text


def test_a_table_is_sorted_and_cut() -> None:
    p, _ = trained()
    names = [r.name for r in sorted(p.key_averages(), key=lambda r: -r.self_time)]
    lines = p.table(by="op", width=120, limit=3).splitlines()
    assert [line.split("  ")[0] for line in lines[5:8]] == names[:3]
    assert f"{len(names) - 3} more" in lines[8]
    for key in ("self", "total", "calls", "flops", "bytes", "limit", "peak", "name", "count"):
        p.table(sort_by=key, limit=None)
    by_flops = p.table(sort_by="flops", by="op", width=120).splitlines()[5]
    assert by_flops.startswith("conv2d")
    assert "forward ms" in p.table(by="module", width=120)
    theirs = p.key_averages().table(sort_by="self_cpu_time_total", row_limit=3, width=120)
    assert theirs == "\n".join(lines[3:])
    with pytest.raises(ValueError, match="limit of at least 1"):
        p.key_averages().table(row_limit=0)
    with pytest.raises(ValueError, match=r"sort_by: expected one of self, .*, got 'time'"):
        p.table(sort_by="time")
    with pytest.raises(ValueError, match="limit of at least 1"):
        p.table(limit=0)
    with pytest.raises(ValueError, match="by as 'op', 'module' or None"):
        p.table(by="line")


def test_an_empty_profile() -> None:
    with profile() as p:
        pass
    assert "Python and the rest" in p.table()
    assert "no module was called" in p.table(by="module")


def test_reading_too_early() -> None:
    p = profile()
    with pytest.raises(RuntimeError, match="nothing is recorded yet"):
        p.table()
    with p:
        with pytest.raises(RuntimeError, match="still at work"):
            p.table()
        with pytest.raises(RuntimeError, match="at work already"), p:
            pass
    with p:  # anew
        ag.ones(2).exp()
    assert [e.name for e in p.events] == ["profile", "exp"]
    assert left_nothing()


def test_the_trace_is_chromes(tmp_path: Any) -> None:
    p, _ = trained()
    p.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    records = trace["traceEvents"]
    spans = [r for r in records if r["ph"] == "X"]
    assert len(spans) == len(p.events)
    for r in records:
        assert isinstance(r["name"], str)
        assert isinstance(r["pid"], int)
        assert isinstance(r["tid"], int)
        assert r["ph"] in "XCM"
        if r["ph"] != "M":
            assert r["ts"] >= 0
    stack: list[float] = []
    for r in spans:  # complete events nest, as Perfetto wants them
        while stack and stack[-1] <= r["ts"]:
            stack.pop()
        assert not stack or r["ts"] + r["dur"] <= stack[-1] + 1e-6
        stack.append(r["ts"] + r["dur"])
    conv = next(r for r in spans if r["name"] == "conv2d")
    assert conv["args"]["module"] == "Net.conv"
    assert conv["args"]["shapes"][0] == [4, 3, 8, 8]
    assert conv["args"]["flops"] == 2 * (4 * 8 * 64) * 27


def test_the_flame_graph(tmp_path: Any) -> None:
    with profile() as p, record_function('a <b> & "c"'):
        model = Net()
        model(ag.rand(2, 3, 16, 16)).sum().backward()
    p.save_flame(tmp_path / "flame.svg")
    root = ET.parse(tmp_path / "flame.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    bars = root.findall(f"{space}g")
    titles = [bar.find(f"{space}title").text for bar in bars]  # type: ignore[union-attr]
    assert titles[0].startswith("profile: ")
    assert any(t.startswith('a <b> & "c": ') for t in titles)
    assert any(t.startswith("Conv2dBackward: ") for t in titles)
    whole = float(bars[0].find(f"{space}rect").get("width"))  # type: ignore[union-attr,arg-type]
    for bar in bars:
        rect = bar.find(f"{space}rect")
        left, width = float(rect.get("x")), float(rect.get("width"))  # type: ignore[union-attr,arg-type]
        assert left >= 9.9
        assert left + width <= 10.1 + whole


def test_the_profile_keeps_no_array_alive() -> None:
    model = Net()
    x = ag.rand(2, 3, 8, 8)
    gone = weakref.ref(x._array)
    optimizer = ag.optim.SGD(model.parameters(), lr=0.1)
    with profile() as p:
        model(x).sum().backward()
        optimizer.step()
    kept = weakref.ref(model)
    del x, model, optimizer
    gc.collect()
    assert gone() is None
    assert kept() is None
    assert p.table()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with profile() as p:
        ag.ones(2).exp()
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ImportError, match=r"rich missing: pip install 'pyautograd\[cli\]'"):
        p.table()
