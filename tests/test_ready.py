"""What plans keep from run to run: never stale, whatever way weights change, and nothing else."""

from __future__ import annotations

import ctypes
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn


def network() -> nn.Module:
    """Of layers whose weights each kernel takes in another form."""
    net = nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),  # Winograd's
        nn.Conv2d(16, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),  # packed
        nn.Flatten(), nn.Linear(24 * 8 * 8, 33), nn.Tanh(), nn.Linear(33, 5),
    )  # fmt: skip
    return net.eval()


def images(n: int = 6) -> ag.Tensor:
    return ag.rand(n, 16, 16, 16) - 0.5


class Pair:
    """A network and its plan."""

    def __init__(self, net: nn.Module | None = None) -> None:
        self.net = net or network()
        self.run = ag.compile(lambda x: self.net(x))
        self.x = images()

    def __call__(self) -> np.ndarray[Any, Any]:
        """The plan's result, once it is found to be that of eager mode."""
        with ag.no_grad():
            got, want = self.run(self.x)._array, self.net(self.x)._array
        assert got.tobytes() == want.tobytes()
        return got

    def steps(self) -> list[str]:
        with ag.no_grad():
            self.run(self.x)
            plan = self.run._latest.plan
            return [name for name, _ in plan.run_timed([self.x._array])[1]]


def is_made(names: list[str]) -> bool:
    """Whether weights were brought into the forms that kernels want; which, is the processor's."""
    found = {name for name in names if name.endswith("_weights")}
    return found == {"conv2d_weights", "linear_weights"}


def test_weights_are_made_ready_once() -> None:
    pair = Pair()
    first = pair()
    names = pair.steps()
    assert not any(name.endswith("_weights") or "sqrt" in name for name in names)
    assert len(names) == 4  # batch norm and activations in the kernels' epilogues
    with ag.no_grad():
        pair.net[0].weight.mul_(0.5)
        plan = pair.run._latest.plan
        names = [name for name, _ in plan.run_timed([pair.x._array])[1]]
    assert is_made(names)
    assert sum("sqrt" in name for name in names) == 2
    assert not np.array_equal(pair(), first)
    steps = f"computed once, until a parameter changes: {len(names) - 4} steps"
    assert steps in pair.run.explain()


# ---- every door by which a weight can change -----------------------------------------------------

Change = Callable[[nn.Module], Any]


def in_place(net: nn.Module) -> None:
    with ag.no_grad():
        net[0].weight.add_(0.25)


def by_index(net: nn.Module) -> None:
    with ag.no_grad():
        net[0].weight[3, 1] += 7.0


def data(net: nn.Module) -> None:
    net[3].weight.data.mul_(2.0)


def detached_view(net: nn.Module) -> None:
    net[7].weight.detach()[2].add_(0.01)


def new_data(net: nn.Module) -> None:
    net[7].weight.data = ag.rand(33, 24 * 8 * 8) * 0.1 - 0.05


def running_mean(net: nn.Module) -> None:
    net[1].running_mean.add_(0.5)


def training_mode(net: nn.Module) -> None:
    net.train()
    net(images())
    net.eval()


def load_state_dict(net: nn.Module) -> None:
    net.load_state_dict(network().state_dict())


def initialiser(net: nn.Module) -> None:
    nn.init.xavier_uniform_(net[3].weight)


def from_vector(net: nn.Module) -> None:
    vector = nn.utils.parameters_to_vector(net.parameters()).detach()
    nn.utils.vector_to_parameters(vector * 1.5, net.parameters())


def trained(make: Callable[..., Any]) -> Change:
    def change(net: nn.Module) -> None:
        optimizer = make(net.parameters())
        optimizer.zero_grad()
        net(images()).square().sum().backward()
        optimizer.step()

    return change


def compiled_step(net: nn.Module) -> None:
    optimizer = ag.optim.SGD(net.parameters(), lr=0.1)

    @ag.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    step(images())


def numpy(net: nn.Module) -> None:
    net[0].weight.detach().numpy()[...] *= 3


def asarray(net: nn.Module) -> None:
    np.asarray(net[4].running_var)[...] += 2.0


def view_of_numpy(net: nn.Module) -> None:
    rows = net[9].weight.detach().numpy()[1:]
    rows[0, ::2] += 4.0


def buffer_protocol(net: nn.Module) -> None:
    view = memoryview(net[0].weight.detach().numpy()).cast("B").cast("f")
    view[3] += 1.0


def address(net: nn.Module) -> None:
    place = net[3].weight.detach().numpy().ctypes.data
    (ctypes.c_float * 16).from_address(place)[5] += 1.0


def dlpack(net: nn.Module) -> None:
    np.from_dlpack(net[7].weight.detach())[...] *= 2


def out_of_band(net: nn.Module) -> None:
    buffers: list[Any] = []
    pickle.dumps(net[0].weight, protocol=5, buffer_callback=buffers.append)
    for buffer in buffers:
        buffer.raw().cast("f")[0] += 1.0


CHANGES = [
    in_place, by_index, data, detached_view, new_data, running_mean, training_mode,
    load_state_dict, initialiser, from_vector, compiled_step, numpy, asarray, view_of_numpy,
    buffer_protocol, address, dlpack, out_of_band,
]  # fmt: skip
TRAINED = [ag.optim.SGD, ag.optim.AdamW, ag.optim.Adagrad, ag.optim.Rprop, ag.optim.NAdam]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_seen(change: Change) -> None:
    pair = Pair()
    before = pair()
    for _ in range(2):
        change(pair.net)
        after = pair()
        assert not np.array_equal(before, after)
        before = after
    assert np.array_equal(pair(), pair())


@pytest.mark.parametrize("make", TRAINED, ids=lambda make: make.__name__)
def test_a_step_of_an_optimiser_is_seen(make: Callable[..., Any]) -> None:
    pair = Pair()
    before = pair()
    for _ in range(3):
        trained(make)(pair.net)
        after = pair()
        assert not np.array_equal(before, after)
        before = after


def hold_numpy(p: ag.Tensor) -> Any:
    return p.detach().numpy()


def hold_view(p: ag.Tensor) -> Any:
    return np.asarray(p.detach())[::-1]


def hold_dlpack(p: ag.Tensor) -> Any:
    return np.from_dlpack(p.detach())


def hold_tensor(p: ag.Tensor) -> Any:
    return p.data.view(-1)


@pytest.mark.parametrize("hold", [hold_numpy, hold_view, hold_dlpack, hold_tensor])
def test_what_was_handed_out_before_the_plan_was_made_can_change_it(
    hold: Callable[..., Any],
) -> None:
    net = network()
    held = hold(net[0].weight)
    pair = Pair(net)
    before = pair()
    for _ in range(2):
        held[...] = held * 2
        after = pair()
        assert not np.array_equal(before, after)
        before = after


def test_parameters_over_memory_of_numpy() -> None:
    array = np.random.default_rng(0).standard_normal((33, 24 * 8 * 8)).astype(np.float32)
    net = network()
    net[7].weight = nn.Parameter(ag.from_numpy(array))
    pair = Pair(net)
    before = pair()
    array[3] = 0
    assert not np.array_equal(pair(), before)


def test_a_reshaped_array_as_a_parameter() -> None:
    array = np.random.default_rng(0).standard_normal(33 * 24 * 8 * 8).astype(np.float32)
    net = network()
    net[7].weight = nn.Parameter(ag.reshape(array, (33, 24 * 8 * 8)))
    pair = Pair(net)
    before = pair()
    array[:100] = 0
    assert not np.array_equal(pair(), before)


def test_reading_does_not_hand_out() -> None:
    pair = Pair()
    pair()
    for p in pair.net.parameters():
        repr(p)
        np.array(p.detach())
        p.detach().tolist()
        p.detach().clone().numpy()
    pair.net.state_dict()
    with ag.no_grad():
        pair.run(ag.from_numpy(np.zeros((6, 16, 16, 16), np.float32))).numpy()[...] = 1
    assert not any(name.endswith("_weights") for name in pair.steps())


def test_handed_out_weights_are_made_ready_in_each_run() -> None:
    pair = Pair()
    pair.net[0].weight.detach().numpy()
    pair()
    assert is_made(pair.steps())


# ---- plans and threads ---------------------------------------------------------------------------


def test_two_plans_of_the_same_weights() -> None:
    net = network()
    first, second = Pair(net), Pair(net)
    second.x = images(1)
    for _ in range(3):
        first(), second()
        in_place(net)
        second(), first()


def test_weights_that_are_computed_and_shared() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(ag.rand(40, 40) - 0.5)
            self.gain = nn.Parameter(ag.ones(40, 1))
            self.kernel = nn.Parameter(ag.rand(16, 1, 3, 3))

        def forward(self, x: Any) -> Any:
            weight = self.weight * (self.gain / self.weight.square().sum(1, keepdim=True).sqrt())
            y = nn.functional.linear(nn.functional.linear(x, weight), weight.T)
            z = nn.functional.conv2d(y.view(-1, 1, 8, 5), self.kernel, padding=1)
            return z.sum() + nn.functional.linear(self.gain.T, weight).sum(), y, self.weight * 2

    pair = Pair(Tied())
    x = ag.rand(20, 40)
    for _ in range(3):
        with ag.no_grad():
            for got, want in zip(pair.run(x), pair.net(x), strict=True):
                assert got.tolist() == want.tolist()
            pair.net.gain.mul_(1.25)
    with ag.no_grad():
        pair.run(x)[2].numpy()[...] = 0  # a result is not what the plan keeps
        assert pair.run(x)[2].tolist() == (pair.net.weight * 2).tolist()


def test_a_plan_that_changes_what_it_reads() -> None:
    """A buffer that each run moves is no memory that stays the same."""
    net = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 40), nn.BatchNorm1d(40)).eval()
    net[2].train()
    twin = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 40), nn.BatchNorm1d(40)).eval()
    twin.load_state_dict(net.state_dict())
    twin[2].train()

    def forward(model: Any, x: Any) -> Any:
        return model(x), model[2].running_var * 2 + 1

    run = ag.compile(lambda x: forward(net, x))
    for _ in range(3):
        x = ag.rand(16, 8)
        with ag.no_grad():
            for got, want in zip(run(x), forward(twin, x), strict=True):
                assert got.tolist() == want.tolist()


def test_threads_that_run_and_train() -> None:
    """While one thread trains, others run plans; afterwards they have the last weights."""
    net = network()
    pairs = [Pair(net) for _ in range(2)]
    for pair in pairs:
        pair()
    stop = threading.Event()

    def serve(pair: Pair) -> None:
        with ag.no_grad():
            while not stop.is_set():
                pair.run(pair.x)

    threads = [threading.Thread(target=serve, args=(pair,)) for pair in pairs]
    for thread in threads:
        thread.start()
    optimizer = ag.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        net(images()).square().mean().backward()
        optimizer.step()
    stop.set()
    for thread in threads:
        thread.join()
    for pair in pairs:
        pair()


def test_training_steps_keep_nothing() -> None:
    net = network()
    optimizer = ag.optim.SGD(net.parameters(), lr=0.01)

    @ag.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    step(images())
    assert step._latest.plan.watch is None
    forward = ag.compile(lambda x: net(x))
    forward(images()).sum().backward()  # recorded: weights are about to change
    assert forward._latest.plan.watch is None


def test_winograd_switched_between_calls() -> None:
    for first in (True, False):
        ag.backends.winograd = first
        pair = Pair()
        for allowed in (first, not first, first):
            ag.backends.winograd = allowed
            pair()
    ag.backends.winograd = True


def test_a_failure_while_weights_are_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair()
    pair()
    in_place(pair.net)
    plan = pair.run._latest.plan
    native = plan._native

    class Failing:
        def run(self, *args: Any) -> Any:
            raise MemoryError

    monkeypatch.setattr(plan, "_native", Failing())
    with ag.no_grad(), pytest.raises(MemoryError):
        pair.run(pair.x)
    monkeypatch.setattr(plan, "_native", native)
    pair()


@pytest.mark.parametrize("dtype", [ag.float32, ag.float64])
@pytest.mark.parametrize("n", [1, 2, 5, 17, 40])
def test_odd_sizes(dtype: Any, n: int) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 19, 3, padding=1), nn.ReLU(), nn.Conv2d(19, 66, 3, padding=1), nn.ReLU(),
        nn.Conv2d(66, 10, (3, 2), (2, 1), groups=2), nn.ReLU(), nn.AdaptiveAvgPool2d(3),
        nn.Flatten(), nn.Linear(90, 70), nn.ReLU(), nn.Linear(70, 1),
    )  # fmt: skip
    pair = Pair(net.to(dtype).eval())
    pair.x = ag.rand(n, 3, 17, 14, dtype=dtype)
    for threads in (1, 2):
        ag.set_num_threads(threads)
        pair(), pair()
        in_place(net)
        pair()


@pytest.mark.parametrize(("channels", "size"), [(64, 14), (64, 30), (300, 16), (300, 33)])
def test_many_weights(channels: int, size: int) -> None:
    """Whether they are kept, or tasks transform their own."""
    pair = Pair(nn.Conv2d(channels, channels - 4, 3, padding=1).eval())
    pair.x = ag.rand(1, channels, size, size)
    pair()
    with ag.no_grad():
        pair.net.weight.mul_(0.5)
    pair()


def test_graphs_of_placeholders_and_from_files(tmp_path: Any) -> None:
    net = network()
    x = ag.static.placeholder((None, 16, 16, 16), name="x")
    run = ag.static.compile(x, net(x))
    run.graph.save(tmp_path / "net.npz")
    loaded = ag.static.load(tmp_path / "net.npz")
    with ag.no_grad():
        for n in (3, 6):
            batch = images(n)
            want = net(batch).tolist()
            for function in (run, loaded):
                assert function(batch).tolist() == function(batch).tolist() == want
            assert run._latest.plan.watch.holds()
        in_place(net)
        assert run(batch).tolist() == net(batch).tolist() != want
        assert loaded(batch).tolist() == want


def test_an_array_that_was_handed_out_before_it_became_a_parameter() -> None:
    """Is as good as new, unless somebody still has it."""
    tensor = ag.rand(33, 24 * 8 * 8) * 0.1
    tensor.numpy()
    pair = Pair()
    pair.net[7].weight = nn.Parameter(tensor)
    pair()
    assert not any(name.endswith("_weights") for name in pair.steps())
    tensor.numpy()[...] *= 2
    pair()
    assert is_made(pair.steps())

    tensor = ag.rand(33, 24 * 8 * 8) * 0.1
    view = tensor.numpy()[3:]
    pair = Pair()
    pair.net[7].weight = nn.Parameter(tensor)
    before = pair()
    view += 0.01
    assert not np.array_equal(pair(), before)


def test_an_array_asked_for_while_a_graph_is_built() -> None:
    for ask in (np.array, np.asarray, lambda x: x.numpy(), np.from_dlpack):
        with pytest.raises(ag.static.GraphError):
            ag.compile(ask)(ag.ones(3))
