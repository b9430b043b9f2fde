"""Weights of a length of their own, or of the largest singular value 1: made anew at each call."""

from __future__ import annotations

from typing import Any, TypeVar

from pyautograd.modes import no_grad
from pyautograd.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops.distance import normalize
from pyautograd.ops.matmul import matmul
from pyautograd.ops.random import default_generator
from pyautograd.ops.reduce import sum
from pyautograd.ops.shape import movedim, reshape
from pyautograd.ops.vectors import vector_norm
from pyautograd.tensor import Tensor, wrap

M = TypeVar("M", bound=Module)


class _Reparametrised:
    """A hook before forward that computes `module.<name>`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module, training: bool) -> Tensor:
        raise NotImplementedError

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))


def _register(op: str, module: Module, hook: _Reparametrised) -> Parameter:
    """Takes the parameter away, and puts the hook in its place."""
    weight = module._parameters.get(hook.name)
    if weight is None:
        raise ValueError(f"{op}: {type(module).__name__} has no parameter {hook.name!r}")
    delattr(module, hook.name)
    module.register_forward_pre_hook(hook)
    return weight


def _remove(op: str, module: Module, name: str, kind: type, parts: tuple[str, ...]) -> None:
    """Puts a parameter in the place of the hook and of what it is computed from."""
    hooks = {} if module._hooks is None else module._hooks.forward_pre
    for key, hook in hooks.items():
        if isinstance(hook.function, kind) and hook.function.name == name:  # type: ignore[attr-defined]
            with no_grad():
                weight = hook.function.compute(module, False)  # type: ignore[attr-defined]
            del hooks[key]
            for part in (name, *(name + part for part in parts)):
                delattr(module, part)
            module.register_parameter(name, Parameter(weight.detach()))
            return
    raise ValueError(f"{op}: {type(module).__name__} has none for {name!r}")


# ---- weight norm ---------------------------------------------------------------------------------


class _WeightNorm(_Reparametrised):
    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def length(self, v: Tensor) -> Tensor:
        if self.dim is None:
            return vector_norm(v)
        own = self.dim % v.ndim
        return vector_norm(v, 2, tuple([d for d in range(v.ndim) if d != own]), True)

    def compute(self, module: Module, training: bool) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / self.length(v))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Trains length and direction of a weight apart: weight = g v / |v|, computed at each call.

    The parameter `name` gives way to name_g and name_v; |v| is the norm over all dimensions but
    `dim`, or over all with None. Salimans and Kingma, 2016.

    >>> import pyautograd as ag
    >>> layer = ag.nn.utils.weight_norm(ag.nn.Linear(4, 3))
    >>> {name: p.shape for name, p in layer.named_parameters()}
    {'bias': (3,), 'weight_g': (3, 1), 'weight_v': (3, 4)}
    """
    hook = _WeightNorm(name, None if dim == -1 else dim)
    weight = _register("weight_norm", module, hook)
    with no_grad():
        module.register_parameter(f"{name}_g", Parameter(hook.length(weight).detach()))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, ())
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Takes `weight_norm` back: the weight of now becomes a parameter again."""
    _remove("remove_weight_norm", module, name, _WeightNorm, ("_g", "_v"))
    return module


# ---- spectral norm -------------------------------------------------------------------------------


class _SpectralNorm(_Reparametrised):
    def __init__(self, name: str, iterations: int, dim: int, eps: float) -> None:
        super().__init__(name)
        self.iterations = iterations
        self.dim = dim
        self.eps = eps

    def matrix(self, weight: Tensor) -> Tensor:
        front = movedim(weight, self.dim, 0)
        return reshape(front, (front.shape[0], -1))

    def compute(self, module: Module, training: bool) -> Tensor:
        weight, u, v = (getattr(module, self.name + part) for part in ("_orig", "_u", "_v"))
        matrix = self.matrix(weight)
        if training:
            kept = u, v
            with no_grad():
                for _ in range(self.iterations):
                    v = normalize(matmul(matrix.T, u), dim=0, eps=self.eps)
                    u = normalize(matmul(matrix, v), dim=0, eps=self.eps)
                for buffer, new in zip(kept, (u, v), strict=True):
                    buffer.copy_(new)
        return weight / sum(u * matmul(matrix, v))


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Divides a weight by an estimate of its largest singular value, at each call.

    The parameter `name` gives way to name_orig; the estimate is u W v, of the buffers name_u and
    name_v, which each call in training brings closer to the singular vectors by
    `n_power_iterations`. W is the weight as a matrix with dimension `dim` in front (1 for
    transposed convolutions, else 0). Miyato et al., 2018.

    >>> import pyautograd as ag
    >>> import numpy as np
    >>> layer = ag.nn.utils.spectral_norm(ag.nn.Linear(4, 3), n_power_iterations=50)
    >>> _ = layer(ag.zeros(1, 4))
    >>> bool(abs(np.linalg.norm(layer.weight.detach().numpy(), 2) - 1) < 1e-3)
    True
    """
    if n_power_iterations < 1:
        raise ValueError(
            f"spectral_norm: expected n_power_iterations of at least 1, got {n_power_iterations}"
        )
    if dim is None:
        transposed = isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d))
        dim = 1 if transposed else 0
    hook = _SpectralNorm(name, n_power_iterations, dim, eps)
    weight = _register("spectral_norm", module, hook)
    with no_grad():
        vectors = [
            normalize(
                wrap(default_generator.draw("standard_normal", size=n, dtype=weight.dtype)),
                dim=0,
                eps=eps,
            )
            for n in hook.matrix(weight).shape
        ]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    for part, vector in zip(("_u", "_v"), vectors, strict=True):
        module.register_buffer(name + part, vector)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Takes `spectral_norm` back: the weight of now becomes a parameter again."""
    _remove("remove_spectral_norm", module, name, _SpectralNorm, ("_orig", "_u", "_v"))
    return module


__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]
