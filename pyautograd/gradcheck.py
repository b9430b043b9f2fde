"""Checks of gradient rules: backward against finite differences, to the first and second order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pyautograd import tape
from pyautograd.gradcheck_parts import (
    GradcheckError,
    Settings,
    as_tuple,
    by_differences,
    compare,
    place,
)
from pyautograd.op import Stand
from pyautograd.tensor import Tensor, wrap


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of `func(*inputs)` with central differences.

    For each element x_i of an input that requires a gradient and each element y_j of an output,
    backward's dy_j/dx_i must lie within atol + rtol * |d| of

        d = (y_j(x_i + eps) - y_j(x_i - eps)) / (2 eps).

    Such inputs are float64 (float32 has too few digits for differences); `func` returns a Tensor
    or a sequence of them, of which those with a gradient are checked. It is called with each input
    shifted in place, so it may also reach the inputs on another way than by its arguments (but not
    where forward mode is checked). A second backward must repeat the gradients up to `nondet_tol`.

    check_undefined_grad: with several outputs, that leaving one out is the same as zeros for it.
    check_backward_ad, check_forward_ad: backward, and `func.jvp`.
    check_batched_grad, check_batched_forward_grad: that these give the same in `vmap`.
    fast_mode: compares uᵀJv alone, for random unit vectors u and v, instead of every element of J.
    check_grad_dtypes, masked: taken as PyTorch does. The dtypes of gradients are checked always,
        and there are no sparse tensors to mask.

    Returns True. Raises GradcheckError, naming the place and both values, or returns False if not
    `raise_exception`. Raises TypeError for inputs of another dtype, ValueError if no input
    requires a gradient or if the memory of one cannot be written element by element.

    >>> import pyautograd as ag
    >>> x = ag.tensor([0.5, -2.0], dtype=ag.float64, requires_grad=True)
    >>> ag.autograd.gradcheck(lambda x: (x * x).tanh(), x, check_forward_ad=True)
    True
    """
    settings = Settings(
        eps, atol, rtol, nondet_tol, check_undefined_grad, check_batched_grad,
        check_batched_forward_grad, check_forward_ad, check_backward_ad, fast_mode,
    )  # fmt: skip
    given = as_tuple(inputs)
    _check_inputs("gradcheck", given)
    try:
        _check(func, given, settings)
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
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compares the gradients of the gradients of `func` with central differences, as `gradcheck`.

    The function checked is (inputs, v) -> gradients of sum(func(*inputs) * v) with respect to the
    inputs; it is checked by the inputs and by v. `grad_outputs` gives v, one tensor an output with
    a gradient; by default it is normal (with gaps in memory if `gen_non_contig_grad_outputs`).
    `check_fwd_over_rev` checks its derivative by forward mode too.

    >>> import pyautograd as ag
    >>> x = ag.tensor([0.5, -2.0], dtype=ag.float64, requires_grad=True)
    >>> ag.autograd.gradgradcheck(lambda x: (x * x).tanh(), x)
    True
    """
    given = as_tuple(inputs)
    _check_inputs("gradgradcheck", given)
    outputs = _with_gradient(func(*given))
    if grad_outputs is None:
        vectors = _random_like(outputs, gen_non_contig_grad_outputs)
    else:
        vectors = as_tuple(grad_outputs)
        if len(vectors) != len(outputs):
            raise ValueError(
                f"gradgradcheck: got {len(vectors)} grad_outputs for {len(outputs)} outputs with "
                "a gradient"
            )

    def gradients(*args: Any) -> tuple[Tensor, ...]:
        xs, vs = args[: len(given)], args[len(given) :]
        if any(isinstance(x, Stand) for x in args):
            from pyautograd.gradcheck_modes import gradients_by_vjp

            return gradients_by_vjp(func, given, xs, vs)
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
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


# ---- what is given -------------------------------------------------------------------------------


def _requires_grad(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _with_gradient(outputs: Any) -> list[Tensor]:
    return [y for y in as_tuple(outputs) if _requires_grad(y)]


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


def _check(func: Callable[..., Any], inputs: tuple[Any, ...], s: Settings) -> None:
    positions = [j for j, x in enumerate(inputs) if _requires_grad(x)]
    xs = [inputs[j] for j in positions]
    every = as_tuple(func(*inputs))
    # Where no output has a gradient, none may depend on the inputs.
    chosen = [i for i, y in enumerate(every) if _requires_grad(y)] or [
        i for i, y in enumerate(every) if isinstance(y, Tensor) and y.is_floating_point()
    ]
    if s.fast:
        from pyautograd.gradcheck_modes import check_fast

        check_fast(func, inputs, every, chosen, s)
        return
    backward = {}
    if s.backward:
        backward = {i: _by_backward(i, every[i], xs, positions, s.nondet_tol) for i in chosen}
    for j, x in zip(positions, xs, strict=True):
        numerical = by_differences(func, inputs, x, chosen, s.eps)
        for i in chosen if s.backward else ():
            compare("backward", i, j, every[i].shape, x.shape, backward[i][j], numerical[i], s)
        if s.forward:
            from pyautograd.gradcheck_modes import by_jvp

            forward = by_jvp(func, inputs, j, chosen)
            for i in chosen:
                compare("jvp", i, j, every[i].shape, x.shape, forward[i], numerical[i], s)
    if s.undefined or s.batched or s.batched_forward:
        from pyautograd import gradcheck_modes

        gradcheck_modes.check_others(func, inputs, every, chosen, backward, s)


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
                    f"{place(k, y.shape)} of output {i} give gradients of input {j} that differ "
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
