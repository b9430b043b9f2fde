"""Losses as modules. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

from pyautograd.nn.module import Module
from pyautograd.ops import loss as ops
from pyautograd.tensor import Tensor


class _Loss(Module):
    def __init__(self, reduction: str) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(
                f"{type(self).__name__}: reduction is mean, sum or none, got {reduction!r}"
            )
        self.reduction = reduction


class MSELoss(_Loss):
    """(input - target)^2; both of one shape."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """|input - target|; both of one shape."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.l1_loss(input, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The cross-entropy of sigmoid(input) against targets in [0, 1]; both of one shape.

    `weight` scales the elements, `pos_weight` the positive part; both broadcast.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )


class NLLLoss(_Loss):
    """-weight[c] input[c] for the target class c: log-probabilities (N, C, ...), classes (N, ...).

    The mean is weighted; samples of the class `ignore_index` count nowhere.
    """

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the target's shape without reduction."""
        return ops.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(_Loss):
    """The cross-entropy of softmax(input): logits (N, C, ...) against classes (N, ...).

    Targets may also be probabilities in the shape of the input. `weight` (C,) scales the classes.

    >>> import pyautograd as ag
    >>> ag.nn.CrossEntropyLoss()(ag.zeros(2, 4), ag.tensor([0, 3]))
    tensor(1.3863)
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the target's shape without reduction."""
        return ops.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )
