"""Statistics, running products, and what sorted values tell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.op import has_values, method, primitive
from pyautograd.ops import elementwise as ew
from pyautograd.ops.elementwise import where
from pyautograd.ops.functions import floor
from pyautograd.ops.index import gather
from pyautograd.ops.order import sort
from pyautograd.ops.reduce import ValuesAndIndices, amax, amin, mean, std, sum, var
from pyautograd.ops.shape import Dims, cat, dims_of, index_of_dim, reshape
from pyautograd.tensor import Tensor, as_tensor, wrap

__all__ = [
    "aminmax",
    "corrcoef",
    "count_nonzero",
    "cov",
    "cummax",
    "cummin",
    "cumprod",
    "diff",
    "kthvalue",
    "logsumexp",
    "median",
    "msort",
    "nanmean",
    "nanmedian",
    "nanquantile",
    "nansum",
    "quantile",
    "std_mean",
    "var_mean",
]


@method()
def logsumexp(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over `dim`, without overflow on the way.

    >>> import pyautograd as ag
    >>> ag.logsumexp(ag.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    if not input.is_floating_point():
        input = input.to(np.float32)
    dims = dims_of("logsumexp", input.ndim, dim)
    if 0 in [input.shape[d] for d in dims]:
        return ew.log(sum(ew.exp(input), dims, keepdim))
    largest = amax(input.detach(), dims, keepdim=True)
    shift = where(ew.isfinite(largest), largest, 0.0)
    out = ew.add(ew.log(sum(ew.exp(ew.sub(input, shift)), dims, keepdim=True)), shift)
    if keepdim:
        return out
    return reshape(out, tuple([n for d, n in enumerate(input.shape) if d not in dims]))


@method()
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The pair (smallest, largest)."""
    return amin(input, dim, keepdim), amax(input, dim, keepdim)


@method()
def std_mean(
    input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean over `dim`."""
    return std(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


@method()
def var_mean(
    input: Tensor, dim: Dims = None, *, correction: float = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over `dim`."""
    return var(input, dim, keepdim=keepdim, correction=correction), mean(input, dim, keepdim)


@method()
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements over `dim` are not 0, int64."""
    return sum(ew.ne(input, 0), dim)


@method()
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The sum over `dim`, NaN counted as 0."""
    return sum(where(ew.isnan(input), 0.0, input), dim, keepdim)


@method()
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The mean over `dim` of what is not NaN."""
    count = sum(ew.logical_not(ew.isnan(input)), dim, keepdim)
    return ew.div(nansum(input, dim, keepdim), count.to(input.dtype))


def cov(input: Tensor, *, correction: int = 1) -> Tensor:
    """The covariances of variables in rows, with observations in columns: (n, m) to (n, n)."""
    if input.ndim > 2:
        raise ValueError(f"cov: expected at most 2 dimensions, got shape {input.shape}")
    x = reshape(input, (-1, input.shape[-1] if input.ndim else 1))
    centred = ew.sub(x, mean(x, 1, keepdim=True))
    found = ew.div(centred @ centred.T, float(x.shape[1] - correction))
    return found if input.ndim == 2 else reshape(found, ())


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of variables in rows, with observations in columns."""
    covariance = cov(input)
    if not covariance.ndim:
        return ew.div(covariance, covariance)
    deviation = ew.sqrt(covariance.diagonal())
    return ew.div(ew.div(covariance, reshape(deviation, (-1, 1))), deviation)


def _part(x: Tensor, d: int, start: int | None, stop: int | None) -> Tensor:
    return x[(slice(None),) * d + (slice(start, stop),)]


@method()
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """The n-th differences of neighbours along `dim`.

    >>> import pyautograd as ag
    >>> ag.diff(ag.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if n < 0:
        raise ValueError(f"diff: expected n of at least 0, got {n}")
    d = index_of_dim("diff", input.ndim, dim)
    x = cat([t for t in (prepend, input, append) if t is not None], d)
    for _ in range(min(n, x.shape[d])):
        later, earlier = _part(x, d, 1, None), _part(x, d, None, -1)
        x = ew.ne(later, earlier) if x.dtype == np.bool_ else ew.sub(later, earlier)
    return x


# ---- running -------------------------------------------------------------------------------------


@method()
def cumprod(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """The products of the values up to each place along `dim`.

    Multiplied in doubling steps (Hillis and Steele, 1986): hence gradients of any order that are
    exact where factors are 0.

    >>> import pyautograd as ag
    >>> ag.cumprod(ag.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    if dtype is not None:
        input = input.to(dtype)
    elif not input.is_floating_point():
        input = input.to(np.int64)
    if not input.ndim:
        return input
    d = index_of_dim("cumprod", input.ndim, dim)
    size, step, out = input.shape[d], 1, input
    while step < size:
        products = ew.mul(_part(out, d, step, None), _part(out, d, None, -step))
        out = cat([_part(out, d, None, step), products], d)
        step *= 2
    return out


# running_extreme(x, dim, largest): where the extreme so far lies, of equals the last; NaN is the
# extreme from there on.
_running_extreme = primitive(
    "running_extreme",
    "movement",
    _C.running_extreme,
    None,
    lambda x, dim, largest: (x.shape, np.dtype(np.int64)),
)


def _running(name: str, input: Tensor, dim: int, largest: bool) -> Any:
    d = index_of_dim(name, input.ndim, dim)
    if not input.ndim:
        return ValuesAndIndices((input, wrap(np.zeros((), np.int64))))
    places = _running_extreme(input.detach(), d, largest)
    return ValuesAndIndices((gather(input, d, places), places))


@method()
def cummax(input: Tensor, dim: int) -> Any:
    """(values, indices) of the largest up to each place along `dim`, of equals the last."""
    return _running("cummax", input, dim, True)


@method()
def cummin(input: Tensor, dim: int) -> Any:
    """(values, indices) of the smallest up to each place along `dim`, of equals the last."""
    return _running("cummin", input, dim, False)


# ---- by order ------------------------------------------------------------------------------------


@method()
def msort(input: Tensor) -> Tensor:
    """Sorted along dimension 0."""
    return sort(input, 0).values


def _slice_at(x: Tensor, d: int, place: int, keepdim: bool) -> Tensor:
    return x[(slice(None),) * d + (slice(place, place + 1) if keepdim else place,)]


@method()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The pair (values, indices) of the k-th smallest along `dim`, counted from 1."""
    d = index_of_dim("kthvalue", input.ndim, dim)
    size = input.shape[d] if input.ndim else 1
    if not 1 <= k <= size:
        raise ValueError(f"kthvalue: k={k} is not within [1, {size}], the size of dimension {dim}")
    if not input.ndim:
        return sort(input)
    values, indices = sort(input, d)
    return ValuesAndIndices([_slice_at(x, d, k - 1, keepdim) for x in (values, indices)])


def _median(name: str, input: Tensor, dim: int | None, keepdim: bool, skips_nan: bool) -> Any:
    if dim is None:
        return _median(name, reshape(input, (-1,)), 0, False, skips_nan)[0]
    if not input.ndim:
        return sort(input)
    d = index_of_dim(name, input.ndim, dim)
    size = input.shape[d]
    if not size:
        raise IndexError(f"{name}: dimension {dim} of shape {input.shape} is empty")
    values, indices = sort(input, d)
    nans = sum(ew.isnan(input), d, keepdim=True) if input.is_floating_point() else None
    middle: Any = (size - 1) // 2
    if nans is None:
        where_ = wrap(np.full([1 if i == d else n for i, n in enumerate(input.shape)], middle))
    elif skips_nan:
        where_ = floor(ew.div(ew.clamp(ew.sub(size - 1, nans), 0), 2.0)).to(np.int64)
    else:  # NaN is sorted last: one of them makes the median NaN
        where_ = where(ew.gt(nans, 0), size - 1, middle)
    found = [gather(x, d, where_) for x in (values, indices)]
    return ValuesAndIndices(found if keepdim else [x.squeeze(d) for x in found])


@method()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle value, of two the lower; NaN if there is one. With `dim`, (values, indices).

    >>> import pyautograd as ag
    >>> ag.median(ag.tensor([3.0, 1.0, 2.0, 4.0]))
    tensor(2.)
    """
    return _median("median", input, dim, keepdim, False)


@method()
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of what is not NaN."""
    return _median("nanmedian", input, dim, keepdim, True)


_INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, nan: bool
) -> Tensor:
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"{name}: interpolation is one of {', '.join(_INTERPOLATIONS)}; got {interpolation!r}"
        )
    shares = as_tensor(q, input.dtype) if not isinstance(q, Tensor) else q
    known = shares._array if has_values(shares) else np.zeros(1)
    if shares.ndim > 1 or not np.all((known >= 0) & (known <= 1)):
        raise ValueError(f"{name}: expected q as a number or a vector within [0, 1], got {q!r}")
    kept = [1] * input.ndim if dim is None else list(input.shape)
    x = reshape(input, (-1,)) if dim is None else input
    d = index_of_dim(name, x.ndim, 0 if dim is None else dim)
    if not x.shape[d]:
        raise ValueError(f"{name}: nothing to order in shape {input.shape}")
    if dim is not None:
        kept[d] = 1
    ordered = sort(x.movedim(d, -1)).values.unsqueeze(-2)  # (..., 1, n)
    missing = sum(ew.isnan(ordered), -1, keepdim=True)  # (..., 1, 1)
    last = ew.sub(x.shape[d] - 1, missing if nan else ew.mul(missing, 0)).to(input.dtype)
    place = ew.mul(reshape(shares, (-1, 1)), ew.clamp(last, 0))  # (..., q, 1)
    if interpolation in ("lower", "higher", "nearest"):
        rounding = {"lower": floor, "higher": lambda p: -floor(-p), "nearest": lambda p: p.round()}
        place = rounding[interpolation](place)
    below = floor(place)
    weight = (
        ew.sub(place, below) if interpolation != "midpoint" else where(place == below, 0.0, 0.5)
    )
    first = below.to(np.int64)
    lead = (*ordered.shape[:-2], shares.numel())
    rows = ordered.expand(*lead, x.shape[d])
    second = ew.clamp(ew.add(first, 1), max=x.shape[d] - 1)
    low, high = (gather(rows, -1, i.expand(*lead, 1)).squeeze(-1) for i in (first, second))
    step = where(ew.eq(weight.squeeze(-1), 0.0), 0.0, ew.sub(high, low))
    found = ew.add(low, ew.mul(weight.squeeze(-1), step))
    if not nan:
        found = where(ew.gt(missing.squeeze(-1), 0), math.nan, found)
    found = found.movedim(-1, 0)  # (q, ...)
    if keepdim:
        found = reshape(found, (shares.numel(), *kept))
    return found if shares.ndim else found.squeeze(0)


@method()
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The values below which a share q (a number or a vector) of `input` lies; NaN if one is there.

    interpolation: between two values "linear", "lower", "higher", "nearest" or "midpoint".

    >>> import pyautograd as ag
    >>> ag.quantile(ag.tensor([1.0, 2.0, 3.0, 4.0]), ag.tensor([0.0, 0.5]))
    tensor([1.0000, 2.5000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@method()
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """`quantile` of what is not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)
