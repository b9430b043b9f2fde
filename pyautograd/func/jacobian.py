"""Jacobians and Hessians: vjp or jvp over the unit vectors, all at once by vmap."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pyautograd.func.batching import vmap
from pyautograd.func.forward import jvp
from pyautograd.func.gradient import Argnums, chosen, with_chosen
from pyautograd.func.pytree import leaves, rebuild
from pyautograd.func.reverse import require_tensors, vjp
from pyautograd.tensor import Tensor, wrap


def unit_vectors(like: list[Any]) -> list[Tensor]:
    """Of the tensors as one long vector: every unit vector, cut into their shapes; the first
    dimension counts the unit vectors.
    """
    sizes = [x.numel() for x in like]
    count, start, out = sum(sizes), 0, []
    for x, size in zip(like, sizes, strict=True):
        block = np.zeros((count, size), x.dtype)
        block[start : start + size] = np.eye(size, dtype=x.dtype)
        out.append(wrap(block.reshape(count, *x.shape)))
        start += size
    return out


def cut(x: Any, like: list[Any], dim: int) -> list[Any]:
    """x with one dimension for the long vector: for each tensor its part, in its shape."""
    pieces = x.split([y.numel() for y in like], dim)
    shapes = [(*x.shape[:dim], *y.shape, *x.shape[dim + 1 :]) for y in like]
    return [p.reshape(shape) for p, shape in zip(pieces, shapes, strict=True)]


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of `func`, by reverse mode: a vjp per output element.

    For an output of shape s and an argument of shape t, a tensor of shape (*s, *t); within the
    structure of the output, the structure of the argument (with a tuple as `argnums`, a tuple of
    these). With `has_aux`, func returns (output, aux), and the result is (Jacobian, aux).
    `chunk_size`: how many rows at once.

    >>> import pyautograd as ag
    >>> ag.func.jacrev(lambda x: x * x)(ag.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        positions = chosen("jacrev", argnums, args)
        inputs = tuple([args[n] for n in positions])
        of_chosen = with_chosen(func, positions, args, kwargs)
        result, pull, *aux = vjp(of_chosen, *inputs, has_aux=has_aux)
        outputs = require_tensors("jacrev", result)

        def row(*units: Any) -> list[Any]:
            return leaves(pull(rebuild(result, iter(units))))

        columns = vmap(row, chunk_size=chunk_size)(*unit_vectors(outputs))
        by_output = zip(*[cut(column, outputs, 0) for column in columns], strict=True)
        jacobians = [rebuild(inputs, iter(parts)) for parts in by_output]
        if isinstance(argnums, int):
            jacobians = [j[0] for j in jacobians]
        found = rebuild(result, iter(jacobians))
        return (found, aux[0]) if has_aux else found

    return wrapper


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """As `jacrev`, by forward mode: a jvp for each input element. Cheaper where inputs are few.

    `randomness`: as in `vmap`.

    >>> import pyautograd as ag
    >>> ag.func.jacfwd(lambda x: x * x)(ag.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        positions = chosen("jacfwd", argnums, args)
        inputs = tuple([args[n] for n in positions])
        of_chosen = with_chosen(func, positions, args, kwargs)
        flat = require_tensors("jacfwd", inputs)

        def column(*units: Any) -> Any:
            tangents = rebuild(inputs, iter(units))
            return jvp(of_chosen, inputs, tangents, has_aux=has_aux)[1:]

        # The batch of columns comes last: (*output, inputs).
        run = vmap(column, out_dims=(-1, None) if has_aux else (-1,), randomness=randomness,
                   chunk_size=chunk_size)  # fmt: skip
        tangent, *aux = run(*unit_vectors(flat))

        def blocks(column: Any) -> Any:
            parts = rebuild(inputs, iter(cut(column, flat, column.ndim - 1)))
            return parts[0] if isinstance(argnums, int) else parts

        found = rebuild(tangent, iter([blocks(column) for column in leaves(tangent)]))
        return (found, aux[0]) if has_aux else found

    return wrapper


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the Hessian of `func`: jacfwd of jacrev.

    For a scalar output and one argument of shape t, a tensor of shape (*t, *t); for a tuple as
    `argnums`, a tuple (by the first argument) of tuples (by the second).

    >>> import pyautograd as ag
    >>> ag.func.hessian(lambda x: (x**3).sum())(ag.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
