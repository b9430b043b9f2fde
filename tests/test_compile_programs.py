"""Training programs as people write them: compiled, they do what they do eagerly."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from programs import Program, adam, assert_compiles, on, rows, step_of

import pyautograd as ag
from pyautograd import nn

F = nn.functional
PROGRAMS: list[Program] = []
program = PROGRAMS.append


@program
def two_optimisers(compile: Any) -> Any:
    make = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4))
    judge = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    of_make, of_judge = adam(make), adam(judge)

    def step(real: ag.Tensor) -> Any:
        fake = make(ag.randn(real.shape[0], 3))
        of_judge.zero_grad(set_to_none=False)
        loss = F.softplus(-judge(real)).mean() + F.softplus(judge(fake.detach())).mean()
        loss.backward()
        of_judge.step()
        of_make.zero_grad()
        other = F.softplus(-judge(fake)).mean()
        other.backward()
        of_make.step()
        return loss, other

    return on(compile(step), *rows(3, 5, 4)), [make, judge, of_make, of_judge]


@program
def variational_autoencoder(compile: Any) -> Any:
    encode, decode = nn.Linear(6, 8), nn.Linear(4, 6)
    optimizer = adam(encode, decode)

    def step(x: ag.Tensor) -> dict[str, ag.Tensor]:
        optimizer.zero_grad()
        mean, log_var = encode(x).chunk(2, dim=1)
        z = mean + ag.randn_like(mean) * (log_var * 0.5).exp()
        loss = F.mse_loss(decode(z), x, reduction="sum")
        loss = loss - 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()
        loss.backward()
        optimizer.step()
        return {"loss": loss, "z": z.detach()}

    return on(compile(step), *rows(3, 3, 6)), [encode, decode, optimizer]


@program
def one_network_for_three_inputs(compile: Any) -> Any:
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh())
    optimizer = ag.optim.SGD(net.parameters(), lr=0.1, nesterov=True, momentum=0.9)

    def step(a: ag.Tensor, *, like: ag.Tensor, unlike: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = F.triplet_margin_loss(net(a), net(like), net(unlike))
        loss.backward()
        optimizer.step()
        return loss

    f = compile(step)
    call = lambda: f(ag.randn(4, 5), like=ag.randn(4, 5), unlike=ag.randn(4, 5))  # noqa: E731
    return [call] * 3, [net, optimizer]


@program
def tied_weights(compile: Any) -> Any:
    table, out = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
    out.weight = table.weight
    optimizer = adam(table)

    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(out(table(x).tanh()).flatten(0, 1), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss

    f = compile(step)
    call = lambda: f(ag.randint(0, 7, (2, 3)), ag.randint(0, 7, (6,)))  # noqa: E731
    return [call] * 3, [table, out, optimizer]


@program
def state_carried_from_call_to_call(compile: Any) -> Any:
    cell, head = nn.LSTMCell(3, 4), nn.Linear(4, 2)
    optimizer = ag.optim.SGD([*cell.parameters(), *head.parameters()], lr=0.1)

    def step(xs: ag.Tensor, h: ag.Tensor, c: ag.Tensor) -> Any:
        optimizer.zero_grad()
        loss: Any = 0.0
        for x in xs:
            h, c = cell(x, (h, c))
            loss = loss + head(h).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(cell.parameters(), 0.5)
        nn.utils.clip_grad_value_(head.parameters(), 0.01)
        optimizer.step()
        return loss, h.detach(), c.detach()

    f, state = compile(step), [ag.zeros(2, 4), ag.zeros(2, 4)]

    def call() -> Any:
        loss, *state[:] = f(ag.randn(4, 2, 3), *state)
        return loss, state

    return [call] * 4, [cell, head, optimizer]


@program
def mixture_of_experts(compile: Any) -> Any:
    experts, gate = nn.ModuleList([nn.Linear(4, 3) for _ in range(3)]), nn.Linear(4, 3)
    optimizer = adam(experts, gate)

    def step(x: ag.Tensor, y: ag.Tensor) -> Any:
        optimizer.zero_grad()
        shares = gate(x).softmax(-1)
        best = shares.argmax(-1, keepdim=True)
        out: Any = 0
        for i, expert in enumerate(experts):
            out = out + ag.where(best == i, expert(x) * shares[:, i : i + 1], ag.zeros(1))
        used = ag.zeros_like(shares).scatter(1, best, 1.0)
        loss = F.cross_entropy(out, y) + (used.mean(0) * shares.mean(0)).sum()
        loss.backward()
        optimizer.step()
        return loss, best

    return on(compile(step), *[(ag.randn(6, 4), ag.randint(0, 3, (6,))) for _ in range(3)]), [
        experts, gate, optimizer
    ]  # fmt: skip


@program
def gradient_penalty(compile: Any) -> Any:
    judge = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = adam(judge)

    def step(real: ag.Tensor, fake: ag.Tensor) -> Any:
        optimizer.zero_grad()
        share = ag.rand(real.shape[0], 1)
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = ag.autograd.grad(judge(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
        loss = judge(fake).mean() - judge(real).mean() + 10 * penalty
        loss.backward()
        optimizer.step()
        return loss, penalty

    return on(compile(step), *[(ag.randn(6, 4), ag.randn(6, 4)) for _ in range(3)]), [
        judge, optimizer
    ]  # fmt: skip


@program
def learning_to_learn(compile: Any) -> Any:
    model = nn.Linear(4, 1)
    optimizer = adam(model)

    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        slow = dict(model.named_parameters())
        loss = F.mse_loss(ag.func.functional_call(model, slow, (x,)), y)
        slopes = ag.autograd.grad(loss, list(slow.values()), create_graph=True)
        fast = {name: p - 0.1 * g for (name, p), g in zip(slow.items(), slopes, strict=True)}
        loss = F.mse_loss(ag.func.functional_call(model, fast, (x + 1,)), y)
        loss.backward()
        optimizer.step()
        return loss

    arguments = [(ag.randn(3, 4), ag.randn(3, 1)) for _ in range(3)]
    return on(compile(step), *arguments), [model, optimizer]


@program
def gradients_per_example(compile: Any) -> Any:
    model = nn.Linear(4, 3)
    weights = {name: p.detach() for name, p in model.named_parameters()}

    def loss(weights: Any, x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        return F.cross_entropy(ag.func.functional_call(model, weights, (x[None],)), y[None])

    each = ag.func.vmap(ag.func.grad(loss), in_dims=(None, 0, 0))
    f = compile(lambda weights, x, y: each(weights, x, y))
    return on(f, *[(weights, ag.randn(3, 4), ag.randint(0, 3, (3,))) for _ in range(2)]), [model]


@program
def moving_averages_of_weights(compile: Any) -> Any:
    model = nn.Linear(4, 3)
    averages = [copy.deepcopy(model).requires_grad_(False) for _ in range(3)]
    optimizer = adam(model)

    def step(x: ag.Tensor) -> ag.Tensor:
        loss = step_of(model, optimizer)(x)
        with ag.no_grad():
            for p, q, r, new in zip(*[m.parameters() for m in [*averages, model]], strict=True):
                p.mul_(0.9).add_(new, alpha=0.1)
                q.lerp_(new, 0.1)
                r.data = r.data * 0.9 + new.data * 0.1
        return loss

    return on(compile(step), *rows(3, 6, 4)), [model, *averages, optimizer]


@program
def gradients_accumulate(compile: Any) -> Any:
    model = nn.Linear(4, 3)
    optimizer = adam(model)

    def step(x: ag.Tensor, last: bool) -> ag.Tensor:
        loss = model(x).square().mean() / 3
        loss.backward()
        if last:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    arguments = [(ag.randn(6, 4), i % 3 == 2) for i in range(9)]
    return on(compile(step), *arguments), [model, optimizer]


@program
def descent_by_hand(compile: Any) -> Any:
    models = [nn.Linear(3, 2) for _ in range(3)]

    def step(x: ag.Tensor) -> ag.Tensor:
        losses = [m(x).square().sum() for m in models]
        ag.stack(losses).sum().backward()
        with ag.no_grad():
            for p in models[0].parameters():
                p -= 0.1 * p.grad  # type: ignore[operator]
                p.grad = None
        for p in models[1].parameters():
            p.data.sub_(0.1 * p.grad.data)  # type: ignore[union-attr]
            p.grad.zero_()  # type: ignore[union-attr]
        for p in models[2].parameters():
            p.data = p.data - 0.1 * p.grad  # type: ignore[operator]
        return ag.stack(losses).detach()

    return on(compile(step), *rows(4, 2, 3)), models


@program
def gradients_set_and_changed(compile: Any) -> Any:
    weights = [ag.randn(3, 2).requires_grad_(), ag.zeros(2).requires_grad_()]
    optimizer = ag.optim.Adam(weights)

    def step(x: ag.Tensor) -> None:
        slopes = ag.autograd.grad((x @ weights[0] + weights[1]).square().sum(), weights)
        for p, slope in zip(weights, slopes, strict=True):
            p.grad = slope * 0.5
            p.grad.mul_(0.5)
            p.grad += 0.01 * p.detach()
        optimizer.step()

    return on(compile(step), *rows(3, 2, 3)), [weights, optimizer]


@program
def a_closure_for_the_optimiser(compile: Any) -> Any:
    model = nn.Linear(3, 2)
    optimizer = adam(model)

    def step(x: ag.Tensor) -> Any:
        def closure() -> ag.Tensor:
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            return loss

        return optimizer.step(closure)

    return on(compile(step), *rows(3, 2, 3)), [model, optimizer]


@program
def retained_and_hooked(compile: Any) -> Any:
    model = nn.Linear(4, 5)
    model.weight.register_hook(lambda g: g.clamp(-0.1, 0.1))
    model.register_forward_hook(lambda module, args, out: out * 2.0)

    def step(x: ag.Tensor) -> Any:
        model.zero_grad()
        y = model(x).tanh()
        y.retain_grad()
        y.register_hook(lambda g: g * 2)
        y.sum().backward(retain_graph=True)
        (y * y).sum().backward()
        return y.detach(), y.grad

    return on(compile(step), *rows(3, 3, 4)), [model]


class Threshold(ag.autograd.Function):
    """0 or 1, with the gradient of the identity."""

    @staticmethod
    def forward(ctx: Any, x: ag.Tensor) -> ag.Tensor:
        return (x > 0).float()

    @staticmethod
    def backward(ctx: Any, g: ag.Tensor) -> ag.Tensor:
        return g


@program
def a_rule_of_its_own(compile: Any) -> Any:
    model = nn.Linear(4, 3)
    f = compile(lambda x: Threshold.apply(model(x)))

    def call() -> Any:
        y = f(ag.randn(3, 4))
        y.sum().backward()
        return y

    return [call] * 3, [model]


@program
def an_attack_on_the_input(compile: Any) -> Any:
    model = nn.Linear(4, 3)

    def attack(x: ag.Tensor, y: ag.Tensor, size: float) -> ag.Tensor:
        x = x.clone().requires_grad_()
        (slope,) = ag.autograd.grad(F.cross_entropy(model(x), y), x)
        return (x + size * slope.sign()).detach().clamp(-1, 1)

    x, y = ag.randn(3, 4), ag.randint(0, 3, (3,))
    return on(compile(attack), (x, y, 0.1), (x, y, 0.2), (x, y, 0.1)), [model]


@program
def weighted_losses(compile: Any) -> Any:
    model, weight = nn.Linear(4, 3), ag.tensor([0.2, 0.5, 0.3])

    def step(x: ag.Tensor, y: ag.Tensor, by_row: ag.Tensor | None = None) -> ag.Tensor:
        model.zero_grad()
        z = model(x)
        loss = F.cross_entropy(z, y.long(), weight=weight, ignore_index=1, label_smoothing=0.1)
        if by_row is not None:
            loss = loss + (F.cross_entropy(z, y.long(), reduction="none") * by_row).mean()
        loss.backward()
        return loss

    x, y = ag.randn(4, 4), ag.tensor([0, 1, 2, 0])
    arguments = [(x, y), (x, y.int(), ag.rand(4)), (x, y.to(ag.uint8))]
    return on(compile(step), *arguments), [model]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_a_program_does_the_same_compiled(program: Program) -> None:
    assert_compiles(program)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "RMSprop", "NAdam", "Rprop", "ASGD"])
def test_several_steps_of_one_optimiser(name: str) -> None:
    def program(compile: Any) -> Any:
        model = nn.Linear(3, 2)
        optimizer = getattr(ag.optim, name)(model.parameters(), lr=0.01)
        if name == "SGD":
            optimizer.param_groups[0]["momentum"] = 0.9
        one = step_of(model, optimizer)
        f = compile(lambda x: ag.stack([one(x * (k + 1)).detach() for k in range(3)]))
        return on(f, *rows(3, 2, 3)), [model, optimizer]

    assert_compiles(program)
