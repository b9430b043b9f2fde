"""Layers, containers and losses: modules with parameters, composed of ops."""

from pyautograd.nn import functional, init, utils
from pyautograd.nn.activation import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from pyautograd.nn.containers import ModuleDict, ModuleList, ParameterList, Sequential
from pyautograd.nn.conv import Conv1d, Conv2d, Conv3d
from pyautograd.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from pyautograd.nn.dropout import Dropout
from pyautograd.nn.linear import Identity, Linear
from pyautograd.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from pyautograd.nn.module import Module, Parameter
from pyautograd.nn.norm import BatchNorm1d, BatchNorm2d
from pyautograd.nn.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from pyautograd.nn.shape import Flatten, Unflatten

__all__ = [
    "functional",
    "init",
    "utils",
    "Module",
    "Parameter",
    "Sequential",
    "ModuleList",
    "ModuleDict",
    "ParameterList",
    "Identity",
    "Linear",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Dropout",
    "MaxPool2d",
    "AvgPool2d",
    "AdaptiveAvgPool2d",
    "Flatten",
    "Unflatten",
    "ReLU",
    "Tanh",
    "Sigmoid",
    "Softmax",
    "LogSoftmax",
    "MSELoss",
    "L1Loss",
    "CrossEntropyLoss",
    "NLLLoss",
    "BCEWithLogitsLoss",
]
