"""Gradients of programs: `backward`, `grad`, the grad modes, custom functions, checks of rules."""

import importlib
from typing import TYPE_CHECKING, Any

from pyautograd.autograd import anomaly_mode, function, graph
from pyautograd.autograd.anomaly_mode import (
    detect_anomaly,
    is_anomaly_enabled,
    set_detect_anomaly,
)
from pyautograd.autograd.function import Function
from pyautograd.autograd.gradient import backward, grad
from pyautograd.gradcheck import gradcheck, gradgradcheck
from pyautograd.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

if TYPE_CHECKING:
    from pyautograd.autograd import forward_ad as forward_ad
    from pyautograd.autograd import functional as functional


def __getattr__(name: str) -> Any:
    if name in ("forward_ad", "functional"):  # loaded at first use
        return importlib.import_module(f"pyautograd.autograd.{name}")
    raise AttributeError(f"module 'pyautograd.autograd' has no attribute {name!r}")


__all__ = [
    "Function",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
