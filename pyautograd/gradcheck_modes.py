"""The checks of gradcheck beside backward: forward mode, vmap, left-out outputs, random vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.func import jvp, vjp, vmap
from pyautograd.func.jacobian import unit_vectors
from pyautograd.func.reverse import backward_on_tape
from pyautograd.gradcheck_parts import GradcheckError, Settings, compare
from pyautograd.tensor import Tensor, wrap

Inputs = tuple[Any, ...]


def _positions(inputs: Inputs) -> list[int]:
    return [j for j, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]


def _outputs(result: Any, chosen: list[int]) -> tuple[Any, ...]:
    every = result if isinstance(result, (tuple, list)) else (result,)
    return tuple([every[i] for i in chosen])


def _tangents(
    func: Callable[..., Any], inputs: Inputs, j: int, chosen: list[int], v: Any
) -> tuple[Any, ...]:
    """Of the chosen outputs, along v in input j."""

    def of_one(x: Any) -> Any:
        return _outputs(func(*inputs[:j], x, *inputs[j + 1 :]), chosen)

    return jvp(of_one, (inputs[j],), (v,))[1]


def by_jvp(func: Callable[..., Any], inputs: Inputs, j: int, chosen: list[int]) -> dict[int, Any]:
    """By output: its Jacobian by input j, (y.numel(), x.numel()), one jvp a column."""
    (units,) = unit_vectors([inputs[j]])
    columns: dict[int, list[Any]] = {i: [] for i in chosen}
    for v in units:
        for i, t in zip(chosen, _tangents(func, inputs, j, chosen, v), strict=True):
            columns[i].append(t.numpy(force=True).reshape(-1))
    return {i: np.stack(c, 1) if c else np.zeros((0, 0)) for i, c in columns.items()}


def gradients_by_vjp(func: Callable[..., Any], given: Inputs, xs: Any, vs: Any) -> Any:
    """What gradgradcheck differentiates, where the inputs stand for others (under jvp)."""
    positions = _positions(given)
    plain = func(*given)
    every = plain if isinstance(plain, (tuple, list)) else (plain,)
    chosen = [i for i, y in enumerate(every) if isinstance(y, Tensor) and y.requires_grad]
    used = tape.grad(
        [every[i] for i in chosen],
        [given[j] for j in positions],
        [wrap(np.zeros(every[i].shape, every[i].dtype)) for i in chosen],
        allow_unused=True,
    )

    def of_floats(*some: Any) -> Any:
        full = list(xs)
        for j, x in zip(positions, some, strict=True):
            full[j] = x
        return _outputs(func(*full), chosen)

    _, pull = vjp(of_floats, *[xs[j] for j in positions])
    return tuple([g for g, u in zip(pull(tuple(vs)), used, strict=True) if u is not None])


# ---- the same in vmap, and with outputs left out -------------------------------------------------


def check_others(
    func: Callable[..., Any],
    inputs: Inputs,
    every: Inputs,
    chosen: list[int],
    backward: dict[int, Any],
    s: Settings,
) -> None:
    positions = _positions(inputs)
    xs = [inputs[j] for j in positions]
    followed = [i for i in chosen if every[i].requires_grad]
    if s.undefined and s.backward and len(followed) > 1:
        _check_left_out(every, followed, xs, positions, s)
    for i in followed if s.batched else ():
        y = every[i]
        rows = vmap(lambda u, y=y: _row(y, xs, u))(unit_vectors([y])[0])
        for j, x, found in zip(positions, xs, rows, strict=True):
            found = found.numpy(force=True).reshape(y.numel(), x.numel())
            compare("backward in vmap", i, j, y.shape, x.shape, found, backward[i][j], s,
                    "backward alone gives")  # fmt: skip
    for j, x in zip(positions, xs, strict=True) if s.batched_forward else ():
        alone = by_jvp(func, inputs, j, chosen)
        columns = vmap(lambda v, j=j: _tangents(func, inputs, j, chosen, v))(unit_vectors([x])[0])
        for i, found in zip(chosen, columns, strict=True):
            found = found.numpy(force=True).reshape(x.numel(), every[i].numel()).T
            compare("jvp in vmap", i, j, every[i].shape, x.shape, found, alone[i], s,
                    "jvp alone gives")  # fmt: skip


def _row(y: Tensor, xs: list[Tensor], u: Tensor) -> tuple[Tensor, ...]:
    found = backward_on_tape([y], xs, [u], True, False)
    return tuple(
        [
            wrap(np.zeros(x.shape, x.dtype)) if g is None else g.detach()
            for x, g in zip(xs, found, strict=True)
        ]
    )


def _check_left_out(
    every: Inputs, followed: list[int], xs: list[Tensor], positions: list[int], s: Settings
) -> None:
    for i in followed:
        others = [k for k in followed if k != i]
        seeds = {k: wrap(np.ones(every[k].shape, every[k].dtype)) for k in others}
        seeds[i] = wrap(np.zeros(every[i].shape, every[i].dtype))
        left_out, zeros = (
            tape.grad(
                [every[k] for k in some], xs, [seeds[k] for k in some], retain_graph=True,
                materialize_grads=True,
            )
            for some in (others, followed)
        )  # fmt: skip
        for j, a, b in zip(positions, left_out, zeros, strict=True):
            a, b = a.numpy(force=True), b.numpy(force=True)
            if not np.allclose(a, b, s.rtol, s.atol, equal_nan=True):
                raise GradcheckError(
                    f"gradcheck: without a gradient of output {i}, that of input {j} is another "
                    "than with a gradient of zeros for it"
                )


# ---- fast mode -----------------------------------------------------------------------------------


def check_fast(
    func: Callable[..., Any], inputs: Inputs, every: Inputs, chosen: list[int], s: Settings
) -> None:
    """uᵀJv for a random u of each output and v of each input, in each of the ways."""
    rng = np.random.default_rng(0)
    us = {i: _unit(rng, every[i].shape) for i in chosen}
    for j in _positions(inputs):
        x = inputs[j]
        v = _unit(rng, x.shape)
        numerical = _along(func, inputs, x, v, chosen, s.eps)
        ways: dict[str, dict[int, Any]] = {}
        if s.backward:
            ways["backward"] = {i: _pulled(every[i], x, us[i], v) for i in chosen}
        if s.forward:
            moved = _tangents(func, inputs, j, chosen, wrap(v))
            ways["jvp"] = {
                i: (t.numpy(force=True) * us[i]).sum() for i, t in zip(chosen, moved, strict=True)
            }
        for way, found in ways.items():
            for i in chosen:
                a, b = (
                    np.reshape(value, (1, 1)) for value in (found[i], (numerical[i] * us[i]).sum())
                )
                compare(f"{way} (along random vectors)", i, j, (), (), a, b, s)


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    v = np.asarray(rng.standard_normal(shape))
    return v / max(float(np.sqrt((v * v).sum())), 1e-300)


def _pulled(y: Tensor, x: Tensor, u: Any, v: Any) -> Any:
    if not y.requires_grad:
        return 0.0
    (g,) = tape.grad(y, x, wrap(u.astype(y.dtype)), retain_graph=True, materialize_grads=True)
    return (g.numpy(force=True) * v).sum()


def _along(
    func: Callable[..., Any], inputs: Inputs, x: Tensor, v: Any, chosen: list[int], eps: float
) -> dict[int, Any]:
    """By output: its central difference along v, with x shifted in place."""
    array = x.detach().numpy()
    before = array.copy()
    try:
        sides = []
        for step in (eps, -eps):
            array[...] = before + step * v
            outputs = _outputs(func(*inputs), chosen)
            sides.append([y.numpy(force=True).astype(np.float64) for y in outputs])
    finally:
        array[...] = before
    return {i: (a - b) / (2 * eps) for i, a, b in zip(chosen, *sides, strict=True)}
