"""The tutorial's pictures: functions that return a `Drawing`, called by `{picture}` in the pages.

Their numbers are computed by pyautograd as they are drawn.
"""

from figures.arithmetic import drawn, expression_graph, two_stacks
from figures.compiling import tape_and_plan
from figures.graphs import backward_order, diamond
from figures.matrices import three_products, training_loss, two_layers
from figures.windows import (
    argmax_mask,
    columns,
    convolution,
    fold_counts,
    overlapping_windows,
    weight_gradient,
)

__all__ = [
    "argmax_mask",
    "backward_order",
    "columns",
    "convolution",
    "diamond",
    "drawn",
    "expression_graph",
    "fold_counts",
    "overlapping_windows",
    "tape_and_plan",
    "three_products",
    "training_loss",
    "two_layers",
    "two_stacks",
    "weight_gradient",
]
