"""Forward mode: jvp, and linearize by transposing reverse mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd.func.behind import parts
from pyautograd.func.dual import Dual, zeros_like
from pyautograd.func.levels import Level, entered
from pyautograd.func.pytree import leaves, rebuild, structure
from pyautograd.func.reverse import require_tensors, vjp
from pyautograd.tensor import Tensor


def _check_tangents(op: str, primals: Any, tangents: Any) -> None:
    if structure(primals) != structure(tangents):
        raise RuntimeError(
            f"{op}: expected tangents in the structure of the primals, {structure(primals)}, got "
            f"{structure(tangents)}"
        )
    for x, t in zip(leaves(primals), leaves(tangents), strict=True):
        if not isinstance(x, Tensor) or not isinstance(t, Tensor):
            raise RuntimeError(
                f"{op}: expected tensors as primals and tangents, got {type(x).__name__} and "
                f"{type(t).__name__}"
            )
        if x.shape != t.shape:
            raise RuntimeError(
                f"{op}: a tangent of shape {t.shape} for a primal of shape {x.shape}"
            )
        if not x.is_floating_point():
            raise RuntimeError(f"{op}: only floating point primals have tangents, got {x.dtype}")


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """(func(*primals), J · tangents): the derivative of `func` in the direction of the tangents.

    `primals` and `tangents` are tuples of one structure, of tensors of the same shapes. The
    tangent of an output that does not depend on the primals is zeros, or an error if `strict`.
    With `has_aux`, func returns (output, aux), and the result is (output, tangent, aux).

    Computed forward, along with the values: nothing is recorded for it. Can be nested, and called
    in vmap and grad.

    >>> import pyautograd as ag
    >>> x, v = ag.tensor([1.0, 2.0]), ag.tensor([1.0, 0.0])
    >>> ag.func.jvp(lambda x: x * x, (x,), (v,))
    (tensor([1., 4.]), tensor([2., 0.]))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple) or not primals:
        raise RuntimeError(
            f"jvp: expected primals and tangents as tuples that are not empty, got "
            f"{type(primals).__name__} and {type(tangents).__name__}"
        )
    _check_tangents("jvp", primals, tangents)
    with entered(Level("jvp")) as level:
        duals = [
            Dual(x, t if t.dtype == x.dtype else t.to(x.dtype), level)
            for x, t in zip(leaves(primals), leaves(tangents), strict=True)
        ]
        result, aux = func(*rebuild(primals, iter(duals))), None
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise RuntimeError("jvp: with has_aux, the function returns (output, aux)")
            result, aux = result
        outputs = require_tensors("jvp", result)
    pairs = [parts(y, level) for y in outputs]
    if strict and any(t is None for _, t in pairs):
        raise RuntimeError("jvp: an output does not depend on the primals (strict=True)")
    output = rebuild(result, iter([y for y, _ in pairs]))
    tangent = rebuild(result, iter([zeros_like(y) if t is None else t for y, t in pairs]))
    if not has_aux:
        return output, tangent
    plain = [parts(x, level)[0] if isinstance(x, Tensor) else x for x in leaves(aux)]
    return output, tangent, rebuild(aux, iter(plain))


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(func(*primals), push), where push(*tangents) = J · tangents; func runs once.

    The gradients uᵀJ are a linear function of u; `push` is its transpose. Cheaper than `jvp` for
    many tangents at one place.

    >>> import pyautograd as ag
    >>> y, push = ag.func.linearize(lambda x: x * x, ag.tensor([1.0, 2.0]))
    >>> push(ag.tensor([1.0, 0.0]))
    tensor([2., 0.])
    """
    output, pull = vjp(func, *primals)
    outputs = leaves(output)
    zeros = rebuild(output, iter([zeros_like(y) for y in outputs]))
    _, transpose = vjp(pull, zeros)

    def push(*tangents: Any) -> Any:
        _check_tangents("linearize", primals, tangents)
        return transpose(tangents)[0]

    return output, push
