"""Checks of gradient rules: backward against finite differences, to the first and second order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.tensor import Tensor, wrap


class GradcheckError(RuntimeError):
    """A gradient that does not agree with finite differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compares the gradients of `func(*inputs)` with central differences.

    For each element x_i of an input that requires a gradient and each element y_j of an output,
    backward's dy_j/dx_i must lie within atol + rtol * |d| of

        d = (y_j(x_i + eps) - y_j(x_i - eps)) / (2 eps).

    Such inputs are float64 (float32 has too few digits for differences); `func` returns a Tensor
    or a sequence of them, of which those with a gradient are checked. It is called with each input
    shifted in place, so it may also reach the inputs on another way than by its arguments. A
    second backward must repeat the gradients up to `nondet_tol`.

    Returns True. Raises GradcheckError, naming the place and both values, or returns False if not
    `raise_exception`. Raises TypeError for inputs of another dtype, ValueError if no input
    requires a gradient or if the memory of one cannot be written element by element.

    >>> import pyautograd as ag
    >>> x = ag.tensor([0.5, -2.0], dtype=ag.float64, requires_grad=True)
    >>> ag.autograd.gradcheck(lambda x: (x * x).tanh(), x)
    True
    """
    given = _as_tuple(inputs)
    _check_inputs("gradcheck", given)
    try:
        _check(func, given, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Compares the gradients of the gradients of `func` with central differences, as `gradcheck`.

    The function checked is (inputs, v) -> gradients of sum(func(*inputs) * v) with respect to the
    inputs; it is checked by the inputs and by v. `grad_outputs` gives v, one tensor an output with
    a gradient; by default it is normal (with gaps in memory if `gen_non_contig_grad_outputs`).

    >>> import pyautograd as ag
    >>> x = ag.tensor([0.5, -2.0], dtype=ag.float64, requires_grad=True)
    >>> ag.autograd.gradgradcheck(lambda x: (x * x).tanh(), x)
    True
    """
    given = _as_tuple(inputs)
    _check_inputs("gradgradcheck", given)
    outputs = _with_gradient(func(*given))
    if grad_outputs is None:
        vectors = _random_like(outputs, gen_non_contig_grad_outputs)
    else:
        vectors = _as_tuple(grad_outputs)
        if len(vectors) != len(outputs):
            raise ValueError(
                f"gradgradcheck: got {len(vectors)} grad_outputs for {len(outputs)} outputs with "
                "a gradient"
            )

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        xs, vs = args[: len(given)], args[len(given) :]
        wanted = [x for x in xs if _requires_grad(x)]
        found = tape.grad(
            _with_gradient(func(*xs)), wanted, vs, create_graph=True, allow_unused=True
        )
        return tuple([g for g in found if g is not None])

    return gradcheck(
        gradients,
        (*given, *vectors),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )


# ---- what is given -------------------------------------------------------------------------------


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _requires_grad(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _with_gradient(outputs: Any) -> list[Tensor]:
    return [y for y in _as_tuple(outputs) if _requires_grad(y)]


def _random_like(outputs: Sequence[Tensor], gaps: bool) -> tuple[Tensor, ...]:
    rng = np.random.default_rng(0)
    vectors = []
    for y in outputs:
        v = rng.standard_normal((*y.shape, 2))[..., 0]
        vectors.append(wrap(v if gaps else v.copy()).requires_grad_())
    return tuple(vectors)


def _check_inputs(op: str, inputs: tuple[Any, ...]) -> None:
    if not any(_requires_grad(x) for x in inputs):
        raise ValueError(f"{op}: no input requires a gradient, so there is nothing to check")
    for i, x in enumerate(inputs):
        if not _requires_grad(x):
            continue
        array = x._array
        if array.dtype != np.float64:
            raise TypeError(
                f"{op}: input {i} is {array.dtype}; differences need the digits of float64"
            )
        steps = zip(array.strides, array.shape, strict=True)
        shares = array.size > 1 and any(step == 0 and n > 1 for step, n in steps)
        if shares or not array.flags.writeable:
            raise ValueError(
                f"{op}: input {i} of shape {array.shape} is "
                f"{'an expanded view' if shares else 'read-only'}, so its elements cannot be "
                "shifted one by one; pass x.clone()"
            )


# ---- the check -----------------------------------------------------------------------------------


def _check(
    func: Callable[..., Any],
    inputs: tuple[Any, ...],
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
) -> None:
    positions = [j for j, x in enumerate(inputs) if _requires_grad(x)]
    xs = [inputs[j] for j in positions]
    every = _as_tuple(func(*inputs))
    # Where no output has a gradient, none may depend on the inputs.
    chosen = [i for i, y in enumerate(every) if _requires_grad(y)] or [
        i for i, y in enumerate(every) if isinstance(y, Tensor) and y.is_floating_point()
    ]
    analytical = {i: _by_backward(i, every[i], xs, positions, nondet_tol) for i in chosen}
    for j, x in zip(positions, xs, strict=True):
        numerical = _by_differences(func, inputs, x, chosen, eps)
        for i in chosen:
            _compare(i, j, every[i].shape, x.shape, analytical[i][j], numerical[i], atol, rtol)


def _by_backward(
    i: int, y: Tensor, xs: list[Tensor], positions: list[int], nondet_tol: float
) -> dict[int, Any]:
    """By input: the Jacobian of output i, (y.numel(), x.numel()), one backward a row."""
    rows = {j: np.zeros((y.numel(), x.numel())) for j, x in zip(positions, xs, strict=True)}
    if not y.requires_grad:
        return rows
    for k in range(y.numel()):
        first, second = (_gradients(i, y, k, xs, positions) for _ in range(2))
        for j, a, b in zip(positions, first, second, strict=True):
            away = np.abs(a - b)
            if not (away <= nondet_tol).all() and not np.array_equal(a, b, equal_nan=True):
                raise GradcheckError(
                    f"gradcheck: backward is not deterministic: two runs from element "
                    f"{_place(k, y.shape)} of output {i} give gradients of input {j} that differ "
                    f"by up to {away.max():.6g} (nondet_tol is {nondet_tol:.6g})"
                )
            rows[j][k] = a.reshape(-1)
    return rows


def _gradients(i: int, y: Tensor, k: int, xs: list[Tensor], positions: list[int]) -> list[Any]:
    """Of element k of output i, with respect to every input."""
    one = np.zeros(y.numel(), y.dtype)
    one[k] = 1.0
    seed = wrap(one.reshape(y.shape))
    found = tape.grad(y, xs, seed, retain_graph=True, allow_unused=True)
    out = []
    for j, x, g in zip(positions, xs, found, strict=True):
        if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
            raise GradcheckError(
                f"gradcheck: the gradient of input {j} by output {i} has shape {g.shape} and "
                f"dtype {g.dtype}; expected those of the input, {x.shape} and {x.dtype}"
            )
        out.append(np.zeros(x.shape) if g is None else g.numpy(force=True))
    return out


def _shifted(func: Callable[..., Any], inputs: Any, chosen: list[int]) -> list[Any]:
    outputs = _as_tuple(func(*inputs))
    return [outputs[i].numpy(force=True).reshape(-1).copy() for i in chosen]


def _by_differences(
    func: Callable[..., Any], inputs: tuple[Any, ...], x: Tensor, chosen: list[int], eps: float
) -> dict[int, Any]:
    """By output: its Jacobian by x, (y.numel(), x.numel()), two calls of func a column."""
    array = x._array
    columns: dict[int, list[Any]] = {i: [] for i in chosen}
    for place in np.ndindex(array.shape):
        value = array[place]
        try:
            array[place] = value + eps
            above = _shifted(func, inputs, chosen)
            array[place] = value - eps
            below = _shifted(func, inputs, chosen)
        finally:
            array[place] = value
        for i, up, down in zip(chosen, above, below, strict=True):
            columns[i].append((up.astype(np.float64) - down) / (2 * eps))
    return {i: np.stack(c, 1) if c else np.zeros((0, 0)) for i, c in columns.items()}


def _compare(
    i: int,
    j: int,
    y_shape: tuple[int, ...],
    x_shape: tuple[int, ...],
    analytical: Any,
    numerical: Any,
    atol: float,
    rtol: float,
) -> None:
    if not analytical.size:
        return
    with np.errstate(invalid="ignore"):
        away = np.abs(analytical - numerical)
        good = away <= atol + rtol * np.abs(numerical)  # false for NaN
    if good.all():
        return
    worst = int(np.argmax(np.where(good, -1.0, np.where(np.isnan(away), math.inf, away))))
    k, m = divmod(worst, analytical.shape[1])
    raise GradcheckError(
        f"gradcheck: the gradient of output {i} with respect to input {j} is wrong in "
        f"{int((~good).sum())} of {good.size} places; the worst is element {_place(k, y_shape)} of "
        f"the output by element {_place(m, x_shape)} of the input: backward gives "
        f"{analytical[k, m]:.9g}, differences give {numerical[k, m]:.9g} "
        f"(atol={atol:g}, rtol={rtol:g})"
    )


def _place(k: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(n) for n in np.unravel_index(k, shape)) if shape else ()
