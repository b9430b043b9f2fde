"""Optimisers: one kernel call a step. Names, defaults and state dicts as in PyTorch."""

from pyautograd.optim import lr_scheduler
from pyautograd.optim.adam import Adam, AdamW
from pyautograd.optim.adaptive import Adadelta, Adagrad, Adamax, RMSprop
from pyautograd.optim.optimizer import Optimizer
from pyautograd.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Optimizer",
    "RMSprop",
    "lr_scheduler",
]
