"""Custom functions under vmap and jvp."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyautograd import tape
from pyautograd.autograd.function import Function, FunctionCtx, call, run_forward
from pyautograd.func.batch_call import looped
from pyautograd.func.batched import Batched, is_batched
from pyautograd.func.behind import as_batch
from pyautograd.func.dual import Dual, is_dual, zeros_like
from pyautograd.func.forward import linearize
from pyautograd.func.levels import Level, Lifted, below, entered, highest
from pyautograd.func.pytree import leaves, rebuild, spread, structure
from pyautograd.func.reverse import kind_of
from pyautograd.op import Stand
from pyautograd.ops.shape import movedim
from pyautograd.tensor import Tensor

K = tape.tensors


def apply_at_level(function: type[Function], args: tuple[Any, ...]) -> Any:
    """`function.apply(*args)`, where some of the arguments stand for others."""
    for x in args:
        if isinstance(x, Stand) and not isinstance(x, Lifted):
            raise NotImplementedError(
                f"{function.__name__}: custom functions have no rule for {type(x).__name__} tensors"
            )
    level = highest(function.__name__, args)
    with below(level):
        if level.transform == "vmap":
            return _batched(function, args, level)
        return _dual(function, args, level)


# ---- vmap ----------------------------------------------------------------------------------------


class VmapInfo(NamedTuple):
    """What a Function's `vmap` is told first."""

    batch_size: int
    randomness: str


def _batched(function: type[Function], args: tuple[Any, ...], level: Level) -> Any:
    """By the function's own rule, by the one generated for it, or in a loop over the batch."""
    mapped = [is_batched(x, level) for x in args]
    outer = [x.outer if is_batched(x, level) else x for x in args]
    dims: Any = 0
    if function.generate_vmap_rule:
        result = _generated(function, level, mapped).apply(*outer)
    elif function.vmap is not Function.vmap:
        info = VmapInfo(level.size, level.randomness)
        found = function.vmap(info, tuple([0 if m else None for m in mapped]), *outer)
        if not isinstance(found, tuple) or len(found) != 2:
            raise RuntimeError(
                f"{function.__name__}.vmap: expected (outputs, out_dims) back, got {kind_of(found)}"
            )
        result, dims = found
    else:
        result = looped(function.__name__, lambda xs: function.apply(*xs), args, outer, mapped)
    by_output = spread(dims, result, lambda d: d is None or isinstance(d, int))
    if by_output is None:
        raise RuntimeError(
            f"{function.__name__}.vmap: out_dims {dims!r} do not fit the outputs, which have the "
            f"structure {structure(result)}"
        )
    outputs = [
        y if d is None else Batched(movedim(y, d, 0), level)
        for y, d in zip(leaves(result), by_output, strict=True)
    ]
    return rebuild(result, iter(outputs))


def _generated(function: type[Function], level: Level, mapped: list[bool]) -> type[Function]:
    """The function of whole batches: its forward and backward are those of one example, in vmap."""

    def again() -> Level:
        return Level("vmap", level.size, level.randomness)

    class Whole(Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(ctx: Any, *outer: Any) -> Any:
            with entered(again()) as inside:
                args = tuple(
                    [Batched(x, inside) if m else x for x, m in zip(outer, mapped, strict=True)]
                )
                ctx.example = example = FunctionCtx(ctx.needs_input_grad)
                result = run_forward(function, example, args)
                if example._dirty:
                    raise RuntimeError(
                        f"{function.__name__}: generate_vmap_rule and mark_dirty do not go together"
                    )

                def whole(x: Any) -> Any:
                    return as_batch(x, inside) if isinstance(x, Tensor) else x

                outputs = [whole(y) for y in leaves(result)]
                of = {id(y): out for y, out in zip(leaves(result), outputs, strict=True)}
                ctx.layouts = [(x.shape, x.dtype) if isinstance(x, Tensor) else None for x in args]
                ctx.saved_mapped = [is_batched(x, inside) for x in example._saved]
                ctx.save_for_backward(
                    *[
                        of.get(id(x), x.outer) if is_batched(x, inside) else x
                        for x in example._saved
                    ]
                )
                ctx.mark_non_differentiable(*[of[id(x)] for x in example._not_differentiable])
            ctx.set_materialize_grads(example._materialize)
            example.forget()
            return rebuild(result, iter(outputs))

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            example = ctx.example
            with entered(again()) as inside:
                example._saved = tuple(
                    [
                        Batched(x, inside) if m else x
                        for x, m in zip(ctx.saved_tensors, ctx.saved_mapped, strict=True)
                    ]
                )
                try:
                    result = function.backward(
                        example, *[None if g is None else Batched(g, inside) for g in grads]
                    )
                finally:
                    example.forget()
                result = result if isinstance(result, tuple) else (result,)
                found = []
                for g, layout, m in zip(result, ctx.layouts, mapped, strict=True):
                    if g is not None:
                        g = as_batch(K.to_layout(g, *layout), inside)
                        g = g if m else K.sum(g, (0,), False, 1.0)
                    found.append(g)
            return tuple(found)

    Whole.__name__ = function.__name__
    return Whole


# ---- jvp -----------------------------------------------------------------------------------------


def _dual(function: type[Function], args: tuple[Any, ...], level: Level) -> Any:
    """By the function's own `jvp`, or by transposing its backward."""
    primals = [x.primal if is_dual(x, level) else x for x in args]
    tangents = [x.tangent if is_dual(x, level) else None for x in args]
    if function.jvp is Function.jvp:
        result, moved = _transposed(function, primals, tangents)
    else:
        result, ctx, saved = call(function, tuple(primals))
        ctx._saved = saved
        given = [
            zeros_like(x) if t is None and isinstance(x, Tensor) and ctx._materialize else t
            for x, t in zip(primals, tangents, strict=True)
        ]
        moved = function.jvp(ctx, *given)
        ctx.forget()
        moved = list(moved) if isinstance(moved, (tuple, list)) else [moved]
        if len(moved) != len(leaves(result)):
            raise RuntimeError(
                f"{function.__name__}.jvp: returned {len(moved)} tangents for "
                f"{len(leaves(result))} outputs"
            )
    outputs = []
    for y, t in zip(leaves(result), moved, strict=True):
        if t is not None and t.shape != y.shape:
            raise RuntimeError(
                f"{function.__name__}.jvp: a tangent of shape {t.shape} for an output of shape "
                f"{y.shape}"
            )
        outputs.append(y if t is None else Dual(y, t, level))
    return rebuild(result, iter(outputs))


def _transposed(function: type[Function], primals: list[Any], tangents: list[Any]) -> Any:
    places = [i for i, t in enumerate(tangents) if t is not None]
    result: Any = None

    def run(*given: Any) -> tuple[Any, ...]:
        nonlocal result
        full = list(primals)
        for i, x in zip(places, given, strict=True):
            full[i] = x
        result = function.apply(*full)
        return tuple([y for y in leaves(result) if _has_tangent(y)])

    values, push = linearize(run, *[primals[i] for i in places])
    found = iter(zip(values, push(*[tangents[i] for i in places]), strict=True))
    pairs = [next(found) if _has_tangent(y) else (y, None) for y in leaves(result)]
    return rebuild(result, iter([y for y, _ in pairs])), [t for _, t in pairs]


def _has_tangent(y: Any) -> bool:
    return isinstance(y, Tensor) and y.is_floating_point()
