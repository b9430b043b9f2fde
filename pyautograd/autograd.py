"""Gradients of programs: `backward`, `grad`, the grad modes, and checks of gradient rules."""

from pyautograd.gradcheck import gradcheck, gradgradcheck
from pyautograd.modes import enable_grad, no_grad, set_grad_enabled
from pyautograd.tape import backward, grad

__all__ = [
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "no_grad",
    "set_grad_enabled",
]
