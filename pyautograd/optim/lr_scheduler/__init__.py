"""Learning rates that change from epoch to epoch.

A scheduler reads each group's present rate and changes it, so several of them can act on one
optimiser. `step()` is called once an epoch, after the optimiser's.
"""

from pyautograd.optim.lr_scheduler.base import LRScheduler
from pyautograd.optim.lr_scheduler.cycle import CosineAnnealingWarmRestarts, OneCycleLR
from pyautograd.optim.lr_scheduler.cyclic import CyclicLR
from pyautograd.optim.lr_scheduler.decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from pyautograd.optim.lr_scheduler.plateau import ReduceLROnPlateau
from pyautograd.optim.lr_scheduler.sequence import ChainedScheduler, SequentialLR

__all__ = [
    "ChainedScheduler",
    "CyclicLR",
    "MultiplicativeLR",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
