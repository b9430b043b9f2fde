"""Changes in place through views, in compiled functions: as in eager mode, run after run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag

Program = tuple[Callable[..., Any], tuple[Any, ...]]


def random(*shape: int) -> ag.Tensor:
    return ag.from_numpy(np.random.default_rng(0).standard_normal(shape))


def rows_and_columns() -> Program:
    def run(a: Any) -> Any:
        b = a.clone()
        b[:, 0] = 0
        b.mul_(2).add_(1)
        b[1] += 3
        b[1:, 2] *= 5
        return b, a * b

    return run, (random(4, 5),)


def several_views() -> Program:
    def run(a: Any) -> Any:
        b = a * 1
        flat, turned = b.view(-1), b.T
        flat[3] = 7
        turned[0] += 1
        b.neg_()
        return b, flat, turned

    return run, (random(4, 5),)


def memory_from_before() -> Program:
    queue = ag.zeros(4, 3, dtype=ag.float64)

    def run(a: Any) -> Any:
        queue[1] += a[0]
        view = queue[2:]
        view.add_(1)
        queue.view(-1)[0].fill_(9)
        return queue.clone(), view * 2

    return run, (random(4, 3),)


def gradients() -> Program:
    def run(a: Any) -> Any:
        w = a.clone().requires_grad_()
        b = w * 2
        b[0] *= 3
        b[1].exp_()
        loss = (b * b).sum()
        return loss, *ag.autograd.grad(loss, w)

    return run, (random(3, 3),)


def made_by_the_program() -> Program:
    def run(a: Any) -> Any:
        table = ag.zeros(4, 6, dtype=ag.float64)
        table[:, 0::2] = a.sin()
        table[:, 1::2] = a.cos()
        table[0] += 1
        row = table[1]
        row.zero_()
        return table, row

    return run, (random(4, 3),)


def a_copy_is_no_view() -> Program:
    def run(a: Any) -> Any:
        b = a * 1
        copy = b.T.reshape(-1)
        copy[0] = 5
        return b, copy

    return run, (random(3, 3),)


def pieces() -> Program:
    def run(a: Any) -> Any:
        b = a * 1
        for i, row in enumerate(b.unbind(0)):
            row.mul_(i)
        left, right = b.chunk(2, 1)
        left.copy_(right)
        return b, left, right

    return run, (random(4, 4),)


PROGRAMS = [
    rows_and_columns, several_views, memory_from_before, gradients, made_by_the_program,
    a_copy_is_no_view, pieces,
]  # fmt: skip


@pytest.mark.parametrize("make", PROGRAMS)
def test_as_in_eager_mode(make: Callable[[], Program]) -> None:
    eager, arguments = make()
    function, _ = make()
    compiled = ag.compile(function)
    for _ in range(3):
        for want, got in zip(eager(*arguments), compiled(*arguments), strict=True):
            assert np.array_equal(want.detach().numpy(), got.detach().numpy())


def test_what_an_expanded_view_repeats_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match=r"expanded view, whose memory is read-only: .*add_"):
        ag.compile(lambda a: (a * 1).expand(2, 3).add_(1))(ag.ones(3))
