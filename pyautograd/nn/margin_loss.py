"""Losses with margins, and negative log-likelihoods, as modules; see also loss.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyautograd.nn.distance import PairwiseDistance
from pyautograd.nn.loss import Loss
from pyautograd.ops import likelihood as nll
from pyautograd.ops import margin_loss as ops
from pyautograd.tensor import Tensor


class HingeEmbeddingLoss(Loss):
    """The input where the target is 1, max(0, margin - input) where it is -1."""

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.hinge_embedding_loss(input, target, self.margin, self.reduction)


class SoftMarginLoss(Loss):
    """log(1 + exp(-target input)) for targets 1 and -1."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return ops.soft_margin_loss(input, target, self.reduction)


class MarginRankingLoss(Loss):
    """max(0, -target (input1 - input2) + margin): target 1 ranks input1 higher, -1 input2."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the inputs' shape without reduction."""
        return ops.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class CosineEmbeddingLoss(Loss):
    """1 - cos(input1, input2) where the target is 1, max(0, cos - margin) where it is -1."""

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the target's shape without reduction."""
        return ops.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of the difference.

    With `swap`, d(positive, negative) counts where it is the smaller one. Balntas et al., 2016.

    >>> import pyautograd as ag
    >>> ag.nn.TripletMarginLoss(margin=0.5)(ag.zeros(2, 3), ag.zeros(2, 3), ag.zeros(2, 3))
    tensor(0.5000)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: expected margin above 0, got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Vectors (N, D) or (D,); a scalar, or (N,) without reduction."""
        return ops.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class TripletMarginWithDistanceLoss(Loss):
    """As `TripletMarginLoss`, with any distance; `PairwiseDistance` unless given."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin above 0, got {margin}"
            )
        self.distance_function = distance_function or PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """A scalar, or the distances' shape without reduction."""
        return ops.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class MultiMarginLoss(Loss):
    """sum over the classes i other than y of max(0, margin - x[y] + x[i])^p, over their number.

    Scores (N, C) against classes y (N,); `weight` (C,) scales by y.
    """

    weight: Tensor | None

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p is 1 or 2, got {p}")
        self.register_buffer("weight", weight)
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the target's shape without reduction."""
        return ops.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, self.reduction
        )


class MultiLabelMarginLoss(Loss):
    """sum of max(0, 1 - x[j] + x[i]) over target classes j and other classes i, over C.

    Scores (N, C); targets, in the same shape, begin with the classes, and the first -1 ends them.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or (N,) without reduction."""
        return ops.multilabel_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(Loss):
    """The mean over classes of -(t log s(x) + (1 - t) log s(-x)), s the sigmoid.

    Logits and targets (N, C); `weight` (C,) scales the classes.
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or (N,) without reduction."""
        return ops.multilabel_soft_margin_loss(input, target, self.weight, self.reduction)


class GaussianNLLLoss(Loss):
    """(log(v) + (input - target)^2 / v) / 2, v = max(var, eps): targets normal around the input.

    `full` adds log(2 pi) / 2. Nix and Weigend, 1994.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Any) -> Tensor:
        """`var`: in the input's shape, with a last dimension of 1 or without it, or a number."""
        return nll.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class PoissonNLLLoss(Loss):
    """exp(input) - target input: targets of a Poisson distribution with mean exp(input).

    Without `log_input` the input is the mean. `full` adds Stirling's approximation of log(target!).
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        """A scalar, or the input's shape without reduction."""
        return nll.poisson_nll_loss(
            log_input, target, self.log_input, self.full, self.eps, self.reduction
        )


class CTCLoss(Loss):
    """-log of the probability that frames (T, N, C) spell a target, by any alignment.

    See `nn.functional.ctc_loss`. Graves et al., 2006.
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        """A scalar, or (N,) without reduction."""
        return nll.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
