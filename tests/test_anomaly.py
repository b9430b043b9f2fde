"""Anomaly mode: what it says of the first NaN or infinity, and that it leaves nothing behind."""

from __future__ import annotations

import re
import sys
import threading
from typing import Any

import pytest

import pyautograd as ag
from pyautograd.autograd import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from pyautograd.autograd.anomaly_mode import AnomalyError


def message(run: Any) -> str:
    with pytest.raises(AnomalyError) as error, detect_anomaly():
        run()
    assert not is_anomaly_enabled()
    return str(error.value)


def test_forward() -> None:
    x = ag.tensor([0.0, 0.5, 4.0])

    def run() -> None:
        y = x * 2
        z = y.log()  # here
        z.sum()

    text = message(run)
    assert re.search(r"log made an infinity of finite values\n +at .*test_anomaly.py:\d+: ", text)
    assert "z = y.log()  # here" in text
    assert "input 0: float32 of shape (3,), from 0 to 8" in text
    assert "1 infinite" in text


def test_backward_names_the_line_that_recorded() -> None:
    x = ag.tensor([0.0, 4.0], requires_grad=True)

    def run() -> None:
        y = x.sqrt()  # the culprit
        z = y.sum()
        z.backward()

    text = message(run)
    assert "div, in the backward of sqrt, made an infinity" in text
    assert "# the culprit" in text
    assert x.grad is None


def test_of_several_the_first() -> None:
    x = ag.tensor([-1.0, 1.0], requires_grad=True)
    text = message(lambda: (x.sqrt() * 2).sum().backward())
    assert text.startswith("anomaly: sqrt made NaN")
    text = message(lambda: (x * ag.tensor([1e38, 1e38]) * 1e38).exp())
    assert text.startswith("anomaly: mul made an infinity")


def test_nan_in_the_data() -> None:
    x = ag.tensor([float("nan"), 1.0])
    assert "mul got NaN, which no op has made since" in message(lambda: x * 2)
    with detect_anomaly():  # nothing comes of it
        assert ag.where(x.isnan(), 0.0, x).tolist() == [0.0, 1.0]


def test_masks_of_infinity_pass() -> None:
    scores = ag.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    mask = ag.tensor([[0.0, -float("inf"), 0.0]])
    with detect_anomaly():
        (ag.softmax(scores + mask, 1) ** 2).sum().backward()
    assert scores.grad[0, 1].item() == 0.0


def test_under_create_graph_and_in_custom_functions() -> None:
    class Bad(ag.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad / 0.0

    x = ag.ones(2, requires_grad=True)
    text = message(lambda: Bad.apply(x).sum().backward())
    assert "div, in the backward of Bad, made an infinity" in text
    y = ag.zeros(1, requires_grad=True)
    text = message(lambda: ag.autograd.grad((y**1.5).sum(), y, create_graph=True)[0].backward())
    assert "in the backward of" in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have notes from 3.11 on")
def test_any_error_in_backward_gets_a_note() -> None:
    x = ag.ones(2, requires_grad=True)
    with detect_anomaly(check_nan=False):
        assert x.log().isfinite().all()
        (x - 1).log()  # infinite, but not asked for
        y = x.exp()  # recorded here
        y.register_hook(lambda g: 1 / 0)
        with pytest.raises(ZeroDivisionError) as error:
            y.sum().backward()
    (note,) = error.value.__notes__
    assert "in the backward of exp" in note
    assert "# recorded here" in note


def test_switches() -> None:
    x = ag.zeros(1)
    set_detect_anomaly(True)
    try:
        assert is_anomaly_enabled()
        with pytest.raises(AnomalyError):
            x.log()
        with set_detect_anomaly(False):
            x.log()
        with detect_anomaly(), detect_anomaly(), pytest.raises(AnomalyError):
            x.log()
        with pytest.raises(AnomalyError):
            x.log()
    finally:
        set_detect_anomaly(False)
    assert not is_anomaly_enabled()
    x.log()


def test_other_threads_are_left_alone() -> None:
    found: list[Any] = []
    with detect_anomaly():
        thread = threading.Thread(target=lambda: found.append(ag.zeros(1).log().item()))
        thread.start()
        thread.join()
    assert found == [-float("inf")]


def test_nothing_is_left_behind() -> None:
    from pyautograd.modes import state
    from pyautograd.op import OPS
    from pyautograd.tape import arrays

    with detect_anomaly():
        assert state.watching == 1
        assert arrays.mul is not OPS["mul"].forward
    assert state.watching == 0
    assert all(getattr(arrays, name) is op.forward for name, op in OPS.items())
