"""Activation functions, with PyTorch's names, arguments and defaults."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pyautograd import _C
from pyautograd.op import binary, primitive, result_dtype, unary
from pyautograd.ops import elementwise as ew
from pyautograd.ops.elementwise import where
from pyautograd.ops.shape import index_of_dim
from pyautograd.ops.softmax import softmax
from pyautograd.tape import OUT
from pyautograd.tensor import Tensor

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "prelu",
    "relu6",
    "selu",
    "silu",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
]

# ---- with kernels of their own -------------------------------------------------------------------


def _with_slope(name: str, second: Callable[[Any, Any], Any]) -> Callable[[Tensor], Tensor]:
    """The op `name` of x, whose gradient is the op name_grad(g, x) = g f'(x).

    `second(K, x)`: f''(x), in ops of K.
    """
    gradient = f"{name}_grad"

    def rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        return (getattr(K, gradient)(g, saved[0]),)

    def gradient_rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        u, x = saved
        gu = needs[0] and getattr(K, gradient)(g, x)
        return gu, needs[1] and K.mul(K.mul(g, u), second(K, x))

    binary(gradient, gradient_rule)
    return unary(name, rule, saves=0)


def _gelu_second(K: Any, x: Any) -> Any:
    """(2 - x^2) times the normal density."""
    square = K.mul(x, x)
    density = K.mul(K.exp(K.mul(square, -0.5)), 1.0 / math.sqrt(2.0 * math.pi))
    return K.mul(K.sub(2.0, square), density)


def _silu_second(K: Any, x: Any) -> Any:
    """s (1 - s) (2 + x (1 - 2 s)), s the sigmoid."""
    s = K.sigmoid(x)
    bend = K.mul(s, K.sub(1.0, s))
    return K.mul(bend, K.add(K.mul(x, K.sub(1.0, K.mul(s, 2.0))), 2.0))


def _gelu_tanh_second(K: Any, x: Any) -> Any:
    """Of x s(p), p = a x + b x^3: s (1 - s) (2 p' + x ((1 - 2 s) p'^2 + p''))."""
    a = 2.0 * math.sqrt(2.0 / math.pi)
    b = 0.044715 * a
    square = K.mul(x, x)
    s = K.sigmoid(K.mul(x, K.add(K.mul(square, b), a)))
    first, second = K.add(K.mul(square, 3.0 * b), a), K.mul(x, 6.0 * b)
    bend = K.add(K.mul(K.sub(1.0, K.mul(s, 2.0)), K.mul(first, first)), second)
    return K.mul(K.mul(s, K.sub(1.0, s)), K.add(K.mul(first, 2.0), K.mul(x, bend)))


def _mish_second(K: Any, x: Any) -> Any:
    """Of x w, w = tanh(softplus x), w' = (1 - w^2) s: w' (2 + x (1 - s - 2 w s)), s the sigmoid."""
    s, w = K.sigmoid(x), K.tanh(K.softplus(x))
    rise = K.mul(K.sub(1.0, K.mul(w, w)), s)
    bend = K.sub(K.sub(1.0, s), K.mul(K.mul(w, s), 2.0))
    return K.mul(rise, K.add(K.mul(x, bend), 2.0))


def _hardswish_second(K: Any, x: Any) -> Any:
    """1/3 between the kinks."""
    return K.div(K.cast(K.lt(K.abs(x), 3.0), x.dtype), 3.0)


_gelu = _with_slope("gelu", _gelu_second)
_gelu_tanh = _with_slope("gelu_tanh", _gelu_tanh_second)
_silu = _with_slope("silu", _silu_second)
_mish = _with_slope("mish", _mish_second)
_hardswish = _with_slope("hardswish", _hardswish_second)
_relu6 = unary("relu6", lambda K, g, saved, needs: (K.relu6_grad(g, saved[0]),), saves=OUT)
binary("relu6_grad", lambda K, g, saved, needs: (K.relu6_grad(g, saved[0]), None), saves=(1,))
_logsigmoid = unary(
    "logsigmoid", lambda K, g, saved, needs: (K.mul(g, K.sigmoid(K.neg(saved[0]))),), saves=0
)


def _with_number(name: str, inputs: int, rule: Any, saves: tuple[int, ...]) -> Callable[..., Any]:
    """An element-wise op whose last operand is a number, for the opcode `name`."""

    def infer(*operands: Any) -> Any:
        return operands[0].shape, result_dtype(name, *operands)

    kernel = _C.elementwise[name]
    return primitive(
        name, "elementwise", kernel, rule, infer, saves=saves, inputs=inputs, fresh=True
    )


_leaky_relu = _with_number(
    "leaky_relu",
    1,
    lambda K, g, saved, needs, slope: (K.leaky_relu_grad(g, saved[0], slope),),
    (0,),
)
_with_number(
    "leaky_relu_grad",
    2,
    lambda K, g, saved, needs, slope: (K.leaky_relu_grad(g, saved[0], slope), None),
    (1,),
)


def _elu_grad_rule(K: Any, g: Any, saved: Any, needs: Any, alpha: float) -> Any:
    """Of u where x > 0, u alpha exp(x) elsewhere."""
    u, x = saved
    gx = needs[1] and K.where(K.lt(x, 0.0), K.elu_grad(K.mul(g, u), x, alpha), 0.0)
    return needs[0] and K.elu_grad(g, x, alpha), gx


_elu = _with_number(
    "elu", 1, lambda K, g, saved, needs, alpha: (K.elu_grad(g, saved[0], alpha),), (0,)
)
_with_number("elu_grad", 2, _elu_grad_rule, (0, 1))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function, x (1 + erf(x / sqrt(2))) / 2, element by element.

    With `approximate="tanh"`, x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
    Hendrycks and Gimpel, 2016.

    >>> import pyautograd as ag
    >>> ag.nn.functional.gelu(ag.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is none or tanh, got {approximate!r}")
    return (_gelu if approximate == "none" else _gelu_tanh)(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x), element by element. Also known as swish."""
    return _silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x)), element by element. Misra, 2019."""
    return _mish(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x relu6(x + 3) / 6, element by element. Howard et al., 2019."""
    return _hardswish(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6), element by element."""
    return _relu6(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + exp(-x))), element by element, without overflow."""
    return _logsigmoid(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, negative_slope x elsewhere.

    >>> import pyautograd as ag
    >>> ag.nn.functional.leaky_relu(ag.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return _leaky_relu(input, float(negative_slope))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, alpha (exp(x) - 1) elsewhere. Clevert et al., 2016."""
    return _elu(input, float(alpha))


# ---- composed ------------------------------------------------------------------------------------

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 elu(x, 1.6733): keeps mean 0 and variance 1. Klambauer et al., 2017."""
    return ew.mul(elu(input, SELU_ALPHA), SELU_SCALE)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """max(x, 0) + min(0, alpha (exp(x / alpha) - 1)). Barron, 2017."""
    if not alpha:
        raise ValueError("celu: alpha must not be 0")
    return ew.mul(elu(ew.div(input, alpha)), alpha)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """min(max(x, min_val), max_val); no gradient at the bounds and beyond."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is larger than max_val {max_val}")
    out = where(ew.le(input, min_val), min_val, input)
    return where(ew.ge(out, max_val), max_val, out)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6, element by element."""
    return ew.div(_relu6(ew.add(input, 3.0)), 6.0)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.

    From a threshold of 20 on, which is meant for implementations that overflow, the exact function.
    """
    scaled = input if beta == 1.0 else ew.mul(input, beta)
    out = ew.softplus(scaled)
    if beta != 1.0:
        out = ew.div(out, beta)
    return out if threshold >= 20.0 else where(ew.gt(scaled, threshold), input, out)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|), element by element."""
    return ew.div(input, ew.add(ew.abs(input), 1.0))


def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """softmax(-x) along `dim`."""
    return softmax(ew.neg(input), dim, dtype)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x), element by element."""
    return ew.sub(input, ew.tanh(input))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, 0 elsewhere."""
    return where(ew.le(ew.abs(input), lambd), 0.0, input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x - lambd above lambd, x + lambd below -lambd, 0 between."""
    if lambd < 0:
        raise ValueError(f"softshrink: expected lambd of at least 0, got {lambd}")
    moved = where(ew.gt(input, 0.0), ew.sub(input, lambd), ew.add(input, lambd))
    return where(ew.le(ew.abs(input), lambd), 0.0, moved)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, `value` elsewhere."""
    return where(ew.le(input, threshold), value, input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, weight x elsewhere; one weight, or one for each channel (dimension 1).

    He et al., 2015.
    """
    if weight.ndim > 1:
        raise ValueError(f"prelu: expected a weight of 0 or 1 dimensions, got {weight.shape}")
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise ValueError(
                f"prelu: {weight.numel()} weights for {channels} channels of input {input.shape}"
            )
        weight = weight.reshape(-1, *(1,) * (input.ndim - 2))
    elif weight.ndim > input.ndim:
        weight = weight.reshape(())
    return where(ew.gt(input, 0.0), input, ew.mul(input, weight))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b), a and b the halves of the input along `dim`. Dauphin et al., 2017."""
    if not input.ndim:
        raise ValueError("glu: a 0-d tensor has no halves")
    d = index_of_dim("glu", input.ndim, dim)
    if input.shape[d] % 2:
        raise ValueError(f"glu: size {input.shape[d]} of dimension {dim} is odd")
    a, b = input.chunk(2, d) if input.shape[d] else (input, input)
    return ew.mul(a, ew.sigmoid(b))
