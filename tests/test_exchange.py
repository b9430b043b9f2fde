"""Tensors and modules on their way to other libraries and other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import pyautograd as ag

# ---- DLPack --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8"])
def test_memory_is_shared_with_numpy(dtype: str) -> None:
    a = np.arange(6, dtype=dtype).reshape(2, 3).T
    t = ag.from_dlpack(a)
    assert np.shares_memory(t.numpy(), a)
    assert t.shape == (3, 2)
    assert t.stride() == (1, 3)
    back = np.from_dlpack(t)
    assert np.shares_memory(back, a)
    a[0, 0] = 7
    assert t[0, 0].item() == back[0, 0] == 7


def test_memory_is_shared_with_torch() -> None:
    torch = pytest.importorskip("torch")
    ours = ag.arange(4).float()
    theirs = torch.from_dlpack(ours)
    ours[0] = 5.0
    theirs[1] = 6.0
    assert ours.tolist() == theirs.tolist() == [5.0, 6.0, 2.0, 3.0]
    again = ag.from_dlpack(theirs[1:])
    theirs[2] = 7.0
    assert again.tolist() == [6.0, 7.0, 3.0]
    assert torch.utils.dlpack.from_dlpack(ag.zeros(0, 3)).shape == (0, 3)


def test_read_only_memory_stays_so() -> None:
    a = np.zeros(3)
    a.flags.writeable = False
    try:
        t = ag.from_dlpack(a)
    except BufferError:
        return  # NumPy 1 refuses to hand read-only memory on
    with pytest.raises(ValueError, match="read-only"):
        t.add_(1)
    assert not np.from_dlpack(t).flags.writeable


def test_what_is_not_handed_on() -> None:
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(ag.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match="list has no __dlpack__"):
        ag.from_dlpack([1.0])
    with pytest.raises(TypeError, match="complex128"):
        ag.from_dlpack(np.zeros(2, complex))


# ---- pickles and copies --------------------------------------------------------------------------


def _net() -> Any:
    return ag.nn.Sequential(
        ag.nn.Conv2d(1, 2, 3), ag.nn.BatchNorm2d(2), ag.nn.ReLU(), ag.nn.Flatten(),
        ag.nn.Linear(2 * 4 * 4, 3),
    )  # fmt: skip


def _loss(net: Any) -> Any:
    return (net(ag.linspace(-1, 1, 72).view(2, 1, 6, 6) ** 2) ** 2).sum()


def _in_another_process(queue: Any, net: Any, x: Any) -> None:
    loss = _loss(net) + (x * x).sum()
    loss.backward()
    queue.put((loss.item(), x.grad, {name: p.grad for name, p in net.named_parameters()}))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(duplicate: Any) -> None:
    for t in (
        ag.tensor([1.0, 2.0], requires_grad=True), ag.tensor([1, 2]), ag.tensor([True]),
        ag.tensor(2.5), ag.zeros(0, 3), ag.ones(2, 3).t(), ag.nn.Parameter(ag.ones(2)),
    ):  # fmt: skip
        other = duplicate(t)
        assert type(other) is type(t)
        assert (other.dtype, other.shape) == (t.dtype, t.shape)
        assert other.requires_grad == t.requires_grad
        assert other.tolist() == t.tolist()
        assert not t.numel() or not np.shares_memory(other.numpy(force=True), t.numpy(force=True))
    net = _net()
    other = duplicate(net)
    assert _loss(other).item() == _loss(net).item()
    with ag.no_grad():
        other[4].weight.zero_()
    assert _loss(other).item() != _loss(net).item()
    shared = ag.nn.Linear(2, 2)
    tied = duplicate(ag.nn.ModuleList([shared, shared]))
    assert tied[0].weight is tied[1].weight
    for taped in (ag.ones(1, requires_grad=True) * 2,):
        with pytest.raises(RuntimeError, match="only leaves"):
            duplicate(taped)


def test_training_in_another_process() -> None:
    net, x = _net(), ag.tensor([1.0, 2.0], requires_grad=True)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_in_another_process, args=(queue, net, x))
    process.start()
    loss, x_grad, grads = queue.get(timeout=60)
    process.join()
    expected = _loss(net) + (x * x).sum()
    expected.backward()
    assert loss == expected.item()
    assert x_grad.tolist() == x.grad.tolist()
    for name, p in net.named_parameters():
        np.testing.assert_array_equal(grads[name].numpy(), p.grad.numpy())


# ---- threads -------------------------------------------------------------------------------------


def _run_in_threads(count: int, work: Any) -> None:
    failures: list[BaseException] = []

    def guarded(i: int) -> None:
        try:
            work(i)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_with_graphs_of_their_own() -> None:
    def work(i: int) -> None:
        for _ in range(50):
            x = ag.full((64, 64), float(i + 1), requires_grad=True)
            y = ((x @ x).tanh() * x).sum()
            y.backward()
            with ag.no_grad():
                assert not (x * 2).requires_grad
            z = (x * i).sum()
            (grad,) = ag.autograd.grad(z, x)
            assert grad[0, 0].item() == i

    _run_in_threads(4, work)


def test_threads_on_a_shared_graph() -> None:
    w = ag.ones(100, requires_grad=True)
    shared = (w * 3).exp() * w
    results: list[Any] = [None] * 8

    def work(i: int) -> None:
        for _ in range(20):
            (results[i],) = ag.autograd.grad((shared * (i + 1)).sum(), w, retain_graph=True)

    _run_in_threads(8, work)
    for i, result in enumerate(results):
        np.testing.assert_array_equal(result.numpy(), results[0].numpy() * (i + 1))


def test_threads_that_accumulate_into_shared_leaves() -> None:
    w = ag.zeros(10, requires_grad=True)

    def work(i: int) -> None:
        for _ in range(100):
            (w * 2.0 + 1.0).sum().backward()

    _run_in_threads(4, work)
    assert w.grad.tolist() == [800.0] * 10


def test_threads_share_a_generator() -> None:
    """Draws take turns: every number is drawn once."""
    drawn: list[Any] = [None] * 4
    generator = ag.Generator().manual_seed(5)

    def work(i: int) -> None:
        drawn[i] = [ag.rand(7, generator=generator).tolist() for _ in range(100)]

    _run_in_threads(4, work)
    found = sorted(x for part in drawn for row in part for x in row)
    alone = ag.Generator().manual_seed(5)
    expected = sorted(x for _ in range(400) for x in ag.rand(7, generator=alone).tolist())
    assert found == expected
