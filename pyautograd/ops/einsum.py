"""Products of tensors by the names of their dimensions, as matrix products."""

from __future__ import annotations

import math
from typing import Any

from pyautograd.ops.matmul import matmul
from pyautograd.ops.reduce import sum
from pyautograd.ops.shape import permute, reshape
from pyautograd.tensor import Tensor

__all__ = ["einsum"]


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum of products that `equation` describes, such as "bij,bjk->bik" for `bmm`.

    A letter for each dimension of each operand, and after "->" for each of the result; letters
    without a place in the result are summed over. "..." stands for dimensions that broadcast.
    Without "->", the result has the letters that occur once, in alphabetical order. A letter twice
    in one operand takes its diagonal. Operands (tensors, or one list of them) are multiplied from
    left to right, two at a time.

    Raises ValueError where the equation is malformed or does not fit the operands' shapes.

    >>> import pyautograd as ag
    >>> a = ag.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ag.einsum("ij->j", a), ag.einsum("ii", a), ag.einsum("i,j->ij", a[0], a[1])
    (tensor([4., 6.]), tensor(5.), tensor([[3., 4.],
            [6., 8.]]))
    """
    listed = len(operands) == 1 and not isinstance(operands[0], Tensor)
    given = list(operands[0] if listed else operands)
    terms, result = _parsed(equation, [x.ndim for x in given])
    sizes: dict[str, int] = {}
    for term, x in zip(terms, given, strict=True):
        for label, size in zip(term, x.shape, strict=True):
            if sizes.setdefault(label, size) == 1:
                sizes[label] = size
            if size not in (1, sizes[label]):
                raise ValueError(
                    f"einsum: {equation!r} gives one letter to dimensions of sizes {sizes[label]} "
                    f"and {size}: shapes {[x.shape for x in given]}"
                )
    left, x = _once(terms[0], given[0])
    for i in range(1, len(terms)):
        right, y = _once(terms[i], given[i])
        needed = set(result).union(*terms[i + 1 :])
        left, x = _product(left, x, right, y, needed, sizes)
    left, x = _summed(left, x, set(result))
    x = permute(x, tuple([left.index(label) for label in result]))
    shape = tuple([sizes[label] for label in result])
    return x if x.shape == shape else x.expand(*shape)


def _parsed(equation: str, ndims: list[int]) -> tuple[list[list[str]], list[str]]:
    """The labels of each operand's dimensions, and of the result's; numbers stand for the dots."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {equation!r} describes {len(terms)} operands, got {len(ndims)}")
    dotted = max([n - len(_letters(equation, t)) for t, n in zip(terms, ndims, strict=True)])
    found = [_labels(equation, t, n, n) for t, n in zip(terms, ndims, strict=True)]
    if arrow:
        result = _labels(equation, output, None, max(dotted, 0))
    else:
        every = "".join(terms)
        once = sorted({x for x in _letters(equation, every) if every.count(x) == 1})
        result = [*_dots(max(dotted, 0) if "..." in every else 0), *once]
    unknown = [x for x in result if not any(x in term for term in found)]
    if unknown or len(set(result)) != len(result):
        raise ValueError(
            f"einsum: the result of {equation!r} has to name each of its dimensions once, and "
            "those of operands only"
        )
    return found, result


def _letters(equation: str, term: str) -> list[str]:
    letters = term.replace("...", "", 1) if "," not in term else term.replace("...", "")
    if letters and not (letters.isascii() and letters.isalpha()):
        raise ValueError(f"einsum: expected letters, commas, '...' and '->' in {equation!r}")
    return list(letters)


def _dots(count: int) -> list[str]:
    """Labels of the dimensions that dots stand for: counted from the last, so that they align."""
    return [str(i) for i in range(count, 0, -1)]


def _labels(equation: str, term: str, ndim: int | None, most: int) -> list[str]:
    letters = _letters(equation, term)
    before, dots, _ = term.partition("...")
    count = (most if ndim is None else ndim - len(letters)) if dots else 0
    if count < 0 or (ndim is not None and len(letters) + count != ndim):
        raise ValueError(
            f"einsum: {term!r} in {equation!r} does not fit an operand of {ndim} dimensions"
        )
    return [*letters[: len(before)], *_dots(count), *letters[len(before) :]]


def _once(labels: list[str], x: Any) -> tuple[list[str], Any]:
    """The operand with each label once: the diagonal of those that are there twice."""
    for label in labels:
        while labels.count(label) > 1:
            a = labels.index(label)
            b = labels.index(label, a + 1)
            rest = [d for d in range(x.ndim) if d not in (a, b)]
            n, other = x.shape[a], [x.shape[d] for d in rest]
            if x.shape[b] != n:
                raise ValueError(
                    f"einsum: the diagonal of dimensions of sizes {n} and {x.shape[b]}"
                )
            x = reshape(permute(x, (*rest, a, b)), (*other, n * n))[..., :: n + 1]
            labels = [*[labels[d] for d in rest], label]
    return labels, x


def _summed(labels: list[str], x: Any, needed: set[str]) -> tuple[list[str], Any]:
    """The operand summed over the dimensions that are not needed."""
    gone = tuple([d for d, label in enumerate(labels) if label not in needed])
    kept = [label for label in labels if label in needed]
    return kept, sum(x, gone) if gone else x


def _product(
    left: list[str], x: Any, right: list[str], y: Any, needed: set[str], sizes: dict[str, int]
) -> tuple[list[str], Any]:
    """x times y as one batched matrix product, summed over what is not needed later."""
    left, x = _summed(left, x, needed.union(right))
    right, y = _summed(right, y, needed.union(left))
    both = [label for label in left if label in right]
    x = x.expand(*[sizes[k] if k in both else n for k, n in zip(left, x.shape, strict=True)])
    y = y.expand(*[sizes[k] if k in both else n for k, n in zip(right, y.shape, strict=True)])
    batch = [label for label in both if label in needed]
    summed = [label for label in both if label not in needed]
    rows = [label for label in left if label not in right]
    columns = [label for label in right if label not in left]

    def matrix(x: Any, labels: list[str], first: list[str], second: list[str]) -> Any:
        """x as (*batch, size of first, size of second)."""
        order = [labels.index(label) for label in (*batch, *first, *second)]
        sizes = [math.prod(x.shape[labels.index(k)] for k in group) for group in (first, second)]
        return reshape(
            permute(x, tuple(order)), (*[x.shape[d] for d in order[: len(batch)]], *sizes)
        )

    out = matmul(matrix(x, left, rows, summed), matrix(y, right, summed, columns))
    free = [*[x.shape[left.index(k)] for k in rows], *[y.shape[right.index(k)] for k in columns]]
    return [*batch, *rows, *columns], reshape(out, (*[sizes[k] for k in batch], *free))
