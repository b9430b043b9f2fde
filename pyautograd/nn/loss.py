"""Losses as modules. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

from pyautograd.nn.module import Module
from pyautograd.ops import loss as ops
from pyautograd.tensor import Tensor


class Loss(Module):
    """The base of losses."""

    _reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, reduction: str) -> None:
        super().__init__()
        if reduction not in self._reductions:
            *others, last = self._reductions
            raise ValueError(
                f"{type(self).__name__}: reduction is {', '.join(others)} or {last}, got "
                f"{reduction!r}"
            )
        self.reduction = reduction


class MSELoss(Loss):
    """(input - target)^2; both of one shape."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """|input - target|; both of one shape."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.l1_loss(input, target, self.reduction)


class BCEWithLogitsLoss(Loss):
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


class NLLLoss(Loss):
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


class CrossEntropyLoss(Loss):
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


class SmoothL1Loss(Loss):
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere, d = input - target."""

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(Loss):
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) elsewhere, d = input - target."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.huber_loss(input, target, self.reduction, self.delta)


class KLDivLoss(Loss):
    """target (log(target) - input), for log-probabilities `input`.

    `reduction` may also be "batchmean": the sum over the size of dimension 0. With `log_target` the
    target is a logarithm too.
    """

    _reductions = (*Loss._reductions, "batchmean")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.kl_div(input, target, self.reduction, self.log_target)


class BCELoss(Loss):
    """-(t log(p) + (1 - t) log(1 - p)) for probabilities p; both of one shape.

    `weight` scales the elements, and broadcasts.
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.binary_cross_entropy(input, target, self.weight, self.reduction)
