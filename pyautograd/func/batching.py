"""vmap: a function of examples as a function of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pyautograd import tape
from pyautograd.func.batched import Batched, is_batched
from pyautograd.func.levels import Level, active, entered
from pyautograd.func.pytree import leaves, rebuild, spread, structure
from pyautograd.ops import random
from pyautograd.ops.shape import cat, index_of_dim, movedim
from pyautograd.tensor import Tensor

K = tape.tensors


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that runs `func`, written for one example, on a batch of them at once.

    in_dims: the batch dimension of each positional argument: a number for all of them, or a tuple
        with a number, a None (not batched) or the argument's own structure of these for each.
    out_dims: where the batch dimension goes in the outputs, in the same way.
    randomness: what random numbers (and dropout) do in func: "error", "different" for each example
        or the "same" for all.
    chunk_size: how many examples at once; all of them by default.

    Keyword arguments are handed on as they are. Ops run once for the batch, by the op's batching
    rule; one without a rule runs in a loop, with a UserWarning. Nests, and works with grad, jvp and
    the others. Python cannot branch on the values of a batched tensor, nor can func change
    tensors in place: RuntimeError.

    Raises ValueError where in_dims do not fit the arguments, batch sizes differ, or func returns
    anything but tensors.

    >>> import pyautograd as ag
    >>> ag.vmap(ag.dot)(ag.tensor([[1.0, 2.0], [3.0, 4.0]]), ag.ones(2, 2))
    tensor([3., 7.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"vmap: randomness is 'error', 'different' or 'same', got {randomness!r}"
        )
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ValueError(f"vmap: chunk_size is None or a positive integer, got {chunk_size!r}")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        dims = _in_dims(in_dims, args)
        values = [
            x if d is None else movedim(x, d, 0) for x, d in zip(leaves(args), dims, strict=True)
        ]
        is_mapped = [d is not None for d in dims]
        size = _batch_size(values, is_mapped)

        def run(start: int, stop: int) -> Any:
            part = [
                x[start:stop] if m and stop - start < size else x
                for x, m in zip(values, is_mapped, strict=True)
            ]
            with entered(Level("vmap", stop - start, randomness)) as level:
                inputs = [
                    Batched(x, level) if m else x for x, m in zip(part, is_mapped, strict=True)
                ]
                return _outputs(func(*rebuild(args, iter(inputs)), **kwargs), out_dims, level)

        step = min(chunk_size or size, size) or 1
        chunks = [run(i, min(i + step, size)) for i in range(0, size or 1, step)]
        result, found, out = chunks[0]
        if len(chunks) > 1:
            columns = zip(*[values for _, values, _ in chunks], strict=True)
            found = [
                column[0] if d is None else cat(column)
                for column, d in zip(columns, out, strict=True)
            ]
        return rebuild(result, iter([_moved(y, d) for y, d in zip(found, out, strict=True)]))

    return wrapped


# ---- what goes in --------------------------------------------------------------------------------


def _is_dim(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _in_dims(in_dims: Any, args: tuple[Any, ...]) -> list[int | None]:
    """The batch dimension of each leaf of the arguments, not negative; None where there is none."""
    if not args:
        raise ValueError("vmap: expected at least one positional argument to be batched")
    prefix = tuple(in_dims) if isinstance(in_dims, list) else in_dims
    dims = spread(prefix, args, _is_dim)
    if dims is None:
        raise ValueError(
            f"vmap: in_dims {in_dims!r} do not fit the arguments, which have the structure "
            f"{structure(args)}: a number, None or the same containers for each"
        )
    checked: list[int | None] = []
    for x, d in zip(leaves(args), dims, strict=True):
        if d is None:
            checked.append(None)
            continue
        if not isinstance(x, Tensor):
            raise ValueError(
                f"vmap: in_dims has {d} for an argument of type {type(x).__name__}; only tensors "
                "are batched: use None for it"
            )
        if not -x.ndim <= d < x.ndim:
            raise ValueError(
                f"vmap: in_dims has {d} for a tensor of shape {x.shape}, which has no such "
                "dimension"
            )
        checked.append(index_of_dim("vmap", x.ndim, d))
    if all(d is None for d in checked):
        raise ValueError("vmap: in_dims says that no argument is batched")
    return checked


def _batch_size(values: list[Any], is_mapped: list[bool]) -> int:
    sizes = [x.shape[0] for x, m in zip(values, is_mapped, strict=True) if m]
    if len(set(sizes)) > 1:
        raise ValueError(f"vmap: batch sizes of the arguments differ: {', '.join(map(str, sizes))}")
    return sizes[0]


# ---- what comes out ------------------------------------------------------------------------------


def _outputs(result: Any, out_dims: Any, level: Level) -> tuple[Any, list[Any], list[int | None]]:
    """The result, its leaves with the batch as dimension 0, and where that is to go."""
    prefix = out_dims
    if isinstance(result, tuple) and isinstance(out_dims, list):
        prefix = tuple(out_dims)
    if isinstance(out_dims, tuple) and len(out_dims) == 1 and not isinstance(result, (tuple, list)):
        (prefix,) = out_dims
    dims = spread(prefix, result, _is_dim)
    if dims is None:
        raise ValueError(
            f"vmap: out_dims {out_dims!r} do not fit the outputs, which have the structure "
            f"{structure(result)}"
        )
    values = []
    for y, d in zip(leaves(result), dims, strict=True):
        if not isinstance(y, Tensor):
            raise ValueError(
                f"vmap: expected the function to return tensors, got {type(y).__name__}"
            )
        if d is None:
            if is_batched(y, level):
                raise ValueError("vmap: out_dims has None for an output that is batched")
            values.append(y)
        elif is_batched(y, level):
            values.append(y.outer)
        else:
            values.append(K.expand(y, (level.size, *y.shape)))
    return result, values, dims


def _moved(y: Any, dim: int | None) -> Any:
    if dim is None or dim == 0:
        return y
    if not -y.ndim <= dim < y.ndim:
        raise ValueError(
            f"vmap: out_dims has {dim} for an output of shape {y.shape[1:]}; with the batch it has "
            f"{y.ndim} dimensions"
        )
    return movedim(y, 0, dim)


# ---- random numbers ------------------------------------------------------------------------------


_plainly = random.sampled


def _sampled(
    draw: Callable[[tuple[int, ...]], Any], shape: tuple[int, ...], source: random.Generator
) -> Tensor:
    """Random numbers for one example, as the levels of vmap under way want them."""
    levels = [level for level in active() if level.transform == "vmap"]
    for level in levels:
        if level.randomness == "error":
            raise RuntimeError(
                "vmap: random numbers in the function: pass randomness='different' (for each "
                "example) or 'same' (for all) to vmap, or draw them outside of it"
            )
    levels = [level for level in levels if level.randomness == "different"]
    x = _plainly(draw, (*[level.size for level in levels], *shape), source)
    for level in levels:
        x = Batched(x, level)
    return x


random.sampled = _sampled
