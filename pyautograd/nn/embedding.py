"""Tables of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

from pyautograd.nn import init
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.bag import embedding_bag
from pyautograd.ops.embedding import embedding
from pyautograd.tensor import Tensor


class Embedding(Module):
    """Row numbers (...) to the rows of a table: (..., embedding_dim).

    weight (num_embeddings, embedding_dim), normal at first. The row `padding_idx` is 0 at first and
    gets no gradient.

    >>> import pyautograd as ag
    >>> ag.nn.Embedding(10, 3)(ag.tensor([[1, 2], [4, 5]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx {padding_idx} is no row of {num_embeddings}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = new_parameter((num_embeddings, embedding_dim), dtype)
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None, **options: Any
    ) -> Embedding:
        """A layer on a given table, which is not trained if `freeze`.

        `options`: further arguments of the layer.
        """
        if embeddings.ndim != 2:
            raise ValueError(
                f"from_pretrained: expected a table of 2 dimensions, got shape {embeddings.shape}"
            )
        rows, columns = embeddings.shape
        layer = cls(rows, columns, padding_idx=padding_idx, dtype=embeddings.dtype, **options)
        layer.weight = Parameter(embeddings.detach(), requires_grad=not freeze)
        return layer

    def reset_parameters(self) -> None:
        """Draws new starting values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            init.zeros_(self.weight.detach()[self.padding_idx])

    def forward(self, input: Tensor) -> Tensor:
        """Integers (...) to (..., embedding_dim)."""
        return embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class EmbeddingBag(Embedding):
    """Row numbers to the sums, means or largest values of bags of rows: (bags, embedding_dim).

    `mode`: "sum", "mean" or "max". The row `padding_idx` counts nowhere. weight
    (num_embeddings, embedding_dim), normal at first.

    >>> import pyautograd as ag
    >>> bag = ag.nn.EmbeddingBag(10, 3, mode="sum")
    >>> bag(ag.tensor([1, 2, 4, 5, 4]), ag.tensor([0, 3])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        mode: str = "mean",
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
    ) -> None:
        if mode not in ("sum", "mean", "max"):
            raise ValueError(f"EmbeddingBag: mode is sum, mean or max, got {mode!r}")
        super().__init__(num_embeddings, embedding_dim, padding_idx, dtype=dtype)
        self.mode = mode
        self.include_last_offset = include_last_offset

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        """(bags, n), or (total,) with the `offsets` (bags,) where each bag begins."""
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.mode,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        """Sizes and mode."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}{padding}"
