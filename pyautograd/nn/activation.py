"""Nonlinearities as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pyautograd.nn import init as initial
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops import activation
from pyautograd.ops.elementwise import relu, sigmoid, tanh
from pyautograd.ops.noise import rrelu
from pyautograd.ops.softmax import log_softmax, softmax
from pyautograd.tensor import Tensor


class ReLU(Module):
    """max(x, 0), element by element.

    `inplace` is taken so that programs written for PyTorch run; ops here never change their input.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return relu(input)

    def extra_repr(self) -> str:
        """Whether PyTorch would work in place."""
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """tanh(x), element by element."""

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element."""

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return sigmoid(input)


def _usual_dim(ndim: int) -> int:
    """The dimension of the classes in (C,), (N, C), (C, H, W) and (N, C, H, W)."""
    return 0 if ndim in (0, 1, 3) else 1


class Softmax(Module):
    """exp(x) / sum(exp(x)) along `dim`; without `dim`, along that of the classes.

    >>> import pyautograd as ag
    >>> ag.nn.Softmax(dim=1)(ag.zeros(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return softmax(input, _usual_dim(input.ndim) if self.dim is None else self.dim)

    def extra_repr(self) -> str:
        """Dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """x - log(sum(exp(x))) along `dim`; without `dim`, along that of the classes."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return log_softmax(input, _usual_dim(input.ndim) if self.dim is None else self.dim)

    def extra_repr(self) -> str:
        """Dimension."""
        return f"dim={self.dim}"


class Softmin(Module):
    """softmax(-x) along `dim`; without `dim`, along that of the classes."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        dim = _usual_dim(input.ndim) if self.dim is None else self.dim
        return activation.softmin(input, dim)

    def extra_repr(self) -> str:
        """Dimension."""
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Softmax over the channels of images (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected (N, C, H, W) or (C, H, W), got {input.shape}")
        return softmax(input, -3)


class PReLU(Module):
    """x where x > 0, weight x elsewhere; one weight, or one for each channel (dimension 1).

    weight (num_parameters,), `init` at first. He et al., 2015.
    """

    weight: Parameter

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = new_parameter((num_parameters,), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The weights as at first."""
        initial.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return activation.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Number of weights."""
        return f"num_parameters={self.num_parameters}"


class _Activation(Module):
    """A function of `ops/activation.py` and the arguments that it is called with.

    `inplace` is taken so that programs written for PyTorch run; ops here never change their input.
    """

    _function: ClassVar[Callable[..., Tensor]]
    _names: tuple[str, ...] = ()  # of the arguments, as attributes

    def _keep(self, **arguments: Any) -> None:
        super().__init__()
        for name, value in arguments.items():
            setattr(self, name, value)
        self._names = tuple(arguments)

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        arguments = {n: getattr(self, n) for n in self._names if n != "inplace"}
        return type(self)._function(input, **arguments)

    def extra_repr(self) -> str:
        """The arguments; `inplace` where PyTorch would work in place."""
        shown = [n for n in self._names if n != "inplace" or getattr(self, n)]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)


class Softsign(_Activation):
    """x / (1 + |x|), element by element."""

    _function = activation.softsign

    def __init__(self) -> None:
        self._keep()


class LogSigmoid(_Activation):
    """log(1 / (1 + exp(-x))), element by element, without overflow."""

    _function = activation.logsigmoid

    def __init__(self) -> None:
        self._keep()


class Tanhshrink(_Activation):
    """x - tanh(x), element by element."""

    _function = activation.tanhshrink

    def __init__(self) -> None:
        self._keep()


class ReLU6(_Activation):
    """min(max(x, 0), 6), element by element."""

    _function = activation.relu6

    def __init__(self, inplace: bool = False) -> None:
        self._keep(inplace=inplace)


class SiLU(_Activation):
    """x sigmoid(x), element by element. Also known as swish."""

    _function = activation.silu

    def __init__(self, inplace: bool = False) -> None:
        self._keep(inplace=inplace)


class Mish(_Activation):
    """x tanh(softplus(x)), element by element. Misra, 2019."""

    _function = activation.mish

    def __init__(self, inplace: bool = False) -> None:
        self._keep(inplace=inplace)


class Hardswish(_Activation):
    """x relu6(x + 3) / 6, element by element. Howard et al., 2019."""

    _function = activation.hardswish

    def __init__(self, inplace: bool = False) -> None:
        self._keep(inplace=inplace)


class Hardsigmoid(_Activation):
    """relu6(x + 3) / 6, element by element."""

    _function = activation.hardsigmoid

    def __init__(self, inplace: bool = False) -> None:
        self._keep(inplace=inplace)


class SELU(_Activation):
    """1.0507 elu(x, 1.6733): keeps mean 0 and variance 1. Klambauer et al., 2017."""

    _function = activation.selu

    def __init__(self, inplace: bool = False) -> None:
        self._keep(inplace=inplace)


class GELU(_Activation):
    """x times the normal distribution function; `approximate` is "none" or "tanh".

    Hendrycks and Gimpel, 2016.

    >>> import pyautograd as ag
    >>> ag.nn.GELU()(ag.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """

    _function = activation.gelu

    def __init__(self, approximate: str = "none") -> None:
        self._keep(approximate=approximate)


class LeakyReLU(_Activation):
    """x where x > 0, negative_slope x elsewhere."""

    _function = activation.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self._keep(negative_slope=negative_slope, inplace=inplace)


class ELU(_Activation):
    """x where x > 0, alpha (exp(x) - 1) elsewhere. Clevert et al., 2016."""

    _function = activation.elu

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self._keep(alpha=alpha, inplace=inplace)


class CELU(_Activation):
    """max(x, 0) + min(0, alpha (exp(x / alpha) - 1)). Barron, 2017."""

    _function = activation.celu

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self._keep(alpha=alpha, inplace=inplace)


class Hardtanh(_Activation):
    """min(max(x, min_val), max_val); no gradient at the bounds and beyond."""

    _function = activation.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        self._keep(min_val=min_val, max_val=max_val, inplace=inplace)


class Softplus(_Activation):
    """log(1 + exp(beta x)) / beta, and x itself where beta x > threshold."""

    _function = activation.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self._keep(beta=beta, threshold=threshold)


class Hardshrink(_Activation):
    """x where |x| > lambd, 0 elsewhere."""

    _function = activation.hardshrink

    def __init__(self, lambd: float = 0.5) -> None:
        self._keep(lambd=lambd)

    def extra_repr(self) -> str:
        """The bound."""
        return str(self.lambd)


class Softshrink(_Activation):
    """x - lambd above lambd, x + lambd below -lambd, 0 between."""

    _function = activation.softshrink

    def __init__(self, lambd: float = 0.5) -> None:
        self._keep(lambd=lambd)

    def extra_repr(self) -> str:
        """The bound."""
        return str(self.lambd)


class Threshold(_Activation):
    """x where x > threshold, `value` elsewhere."""

    _function = activation.threshold

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        self._keep(threshold=threshold, value=value, inplace=inplace)


class GLU(_Activation):
    """a sigmoid(b), a and b the halves of the input along `dim`. Dauphin et al., 2017."""

    _function = activation.glu

    def __init__(self, dim: int = -1) -> None:
        self._keep(dim=dim)


class RReLU(Module):
    """x where x >= 0, a x elsewhere: a uniform in [lower, upper) in training, else their mean.

    Xu et al., 2015.
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """In the shape of the input."""
        return rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        """The bounds of the slope."""
        return f"lower={self.lower}, upper={self.upper}{', inplace=True' if self.inplace else ''}"
