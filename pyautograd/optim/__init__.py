"""Optimisers, most with one kernel call a step. Names, defaults and state dicts as in PyTorch."""

from pyautograd.optim import lr_scheduler
from pyautograd.optim.adam import Adam, AdamW
from pyautograd.optim.adaptive import Adadelta, Adagrad, Adamax, RMSprop
from pyautograd.optim.lbfgs import LBFGS
from pyautograd.optim.moments import NAdam, RAdam
from pyautograd.optim.optimizer import Optimizer
from pyautograd.optim.rprop import ASGD, Rprop
from pyautograd.optim.sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "Rprop",
    "RMSprop",
    "lr_scheduler",
]
