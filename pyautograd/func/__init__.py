"""Transforms of functions: derivatives of any order, and batches, of pure functions of tensors.

Names and meaning as in `torch.func`. Transforms nest in any order: `vmap(grad(f))` for
per-example gradients, `jacfwd(jacrev(f))` for Hessians, `jvp(grad(f), ...)` for their products
with vectors.
"""

from pyautograd.func.batching import vmap
from pyautograd.func.forward import jvp, linearize
from pyautograd.func.gradient import grad, grad_and_value, value_and_grad
from pyautograd.func.jacobian import hessian, jacfwd, jacrev
from pyautograd.func.modules import functional_call, stack_module_state
from pyautograd.func.reverse import vjp

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]
