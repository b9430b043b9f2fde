"""Convolution, and the column form of it. The three convolutions are each other's gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyautograd import _C
from pyautograd.cost import products
from pyautograd.op import primitive
from pyautograd.ops.shape import pad, reshape
from pyautograd.tape import SHAPE
from pyautograd.tensor import Tensor

__all__ = [
    "conv2d",
    "fold",
    "unfold",
]

Pair = int | Sequence[int]

SEVERAL = {1: "a tuple of one", 2: "a pair", 3: "a triple"}


def per_dim(op: str, name: str, value: Pair, dims: int, least: int = 1) -> tuple[int, ...]:
    """`value` for each dimension; ValueError unless all are integers of at least `least`."""
    every: Any = tuple(value) if isinstance(value, (tuple, list)) else (value,) * dims
    if len(every) != dims or any(not isinstance(v, int) or v < least for v in every):
        raise ValueError(
            f"{op}: expected {name} as an integer or {SEVERAL[dims]}, each at least {least}, "
            f"got {value}"
        )
    return every


def pair(op: str, name: str, value: Pair, least: int = 1) -> tuple[int, int]:
    """`value` for height and width; ValueError unless both are integers of at least `least`."""
    return per_dim(op, name, value, 2, least)  # type: ignore[return-value]


def window_count(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many windows of `kernel` taps fit into a padded dimension."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _infer_conv2d(x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, _: int) -> Any:
    hw = [
        window_count(x.shape[2 + i], w.shape[2 + i], stride[i], padding[i], dilation[i])
        for i in range(2)
    ]
    return (x.shape[0], w.shape[0], *hw), x.dtype


def _conv2d_rule(K: Any, g: Any, saved: Any, needs: Any, *geometry: Any) -> Any:
    x, w = saved  # (N, C, H, W), (O, C/groups, kh, kw)
    return (
        needs[0] and K.conv2d_input_grad(g, w, tuple(x.shape[2:]), *geometry),
        needs[1] and K.conv2d_weight_grad(g, x, tuple(w.shape[2:]), *geometry),
        needs[2] and K.sum(g, (0, 2, 3), False, 1.0),
    )


def _input_grad_rule(K: Any, v: Any, saved: Any, needs: Any, hw: Any, *geometry: Any) -> Any:
    g, w = saved
    return (
        needs[0] and K.conv2d(v, w, None, *geometry),
        needs[1] and K.conv2d_weight_grad(g, v, tuple(w.shape[2:]), *geometry),
    )


def _weight_grad_rule(K: Any, v: Any, saved: Any, needs: Any, hw: Any, *geometry: Any) -> Any:
    g, x = saved
    return (
        needs[0] and K.conv2d(x, v, None, *geometry),
        needs[1] and K.conv2d_input_grad(g, v, tuple(x.shape[2:]), *geometry),
    )


def _taps(w: Any) -> int:
    """How many weights (O, C/groups, kh, kw) each output meets."""
    return w.shape[1] * w.shape[2] * w.shape[3]


# geometry: stride, padding, dilation (pairs), groups.
_conv2d = primitive(
    "conv2d",
    "contraction",
    _C.conv2d,
    _conv2d_rule,
    _infer_conv2d,
    saves=(0, 1),
    inputs=3,
    fresh=True,
    flops=products(lambda inputs, attrs: _taps(inputs[1]), of_input=False),
)
# conv2d_input_grad(g, w, (H, W), *geometry) -> (N, C, H, W)
conv2d_input_grad = primitive(
    "conv2d_input_grad",
    "contraction",
    _C.conv2d_input_grad,
    _input_grad_rule,
    lambda g, w, hw, stride, padding, dilation, groups: (
        (g.shape[0], w.shape[1] * groups, *hw),
        g.dtype,
    ),
    saves=(0, 1),
    inputs=2,
    fresh=True,
    flops=products(lambda inputs, attrs: _taps(inputs[1]), of_input=True),
)
# conv2d_weight_grad(g, x, (kh, kw), *geometry) -> (O, C/groups, kh, kw)
primitive(
    "conv2d_weight_grad",
    "contraction",
    _C.conv2d_weight_grad,
    _weight_grad_rule,
    lambda g, x, hw, stride, padding, dilation, groups: (
        (g.shape[1], x.shape[1] // groups, *hw),
        g.dtype,
    ),
    saves=(0, 1),
    inputs=2,
    fresh=True,
    flops=lambda inputs, attrs, outputs: 2 * inputs[0].size * _taps(outputs[0]),
)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of images with filters.

    out[n, o, i, j] = bias[o] + sum over c, r, s of
        weight[o, c, r, s] * input[n, c, i*stride - padding + r*dilation, j*... + s*dilation]

    input (N, C, H, W) or (C, H, W), weight (O, C/groups, kh, kw), bias (O,). `padding` zeros on
    each side, or "valid" (none), or "same" (output as large as the input; stride 1 only). Each
    group of channels has its own O/groups filters.

    >>> import pyautograd as ag
    >>> x = ag.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    >>> ag.nn.functional.conv2d(x, ag.ones(1, 1, 3, 3))
    tensor([[[[54., 63.],
              [90., 99.]]]])
    """
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        raise TypeError(
            f"conv2d: expected tensors as input and weight, got {type(input).__name__} and "
            f"{type(weight).__name__}"
        )
    stride, dilation = pair("conv2d", "stride", stride), pair("conv2d", "dilation", dilation)
    if input.ndim == 3:
        out = conv2d(
            reshape(input, (1, *input.shape)), weight, bias, stride, padding, dilation, groups
        )
        return reshape(out, out.shape[1:])
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, padding, stride, dilation)
    padding = pair("conv2d", "padding", padding, 0)
    return _conv2d(input, weight, bias, stride, padding, dilation, groups)


def _named_padding(
    input: Tensor, weight: Tensor, name: str, stride: Any, dilation: Any
) -> tuple[Tensor, tuple[int, int]]:
    if name == "valid":
        return input, (0, 0)
    if weight.ndim != 4:
        raise ValueError(f"conv2d: expected weight (O, C/groups, kh, kw), got shape {weight.shape}")
    if name != "same":
        raise ValueError(f"conv2d: padding is numbers, 'valid' or 'same', got {name!r}")
    if stride != (1, 1):
        raise ValueError("conv2d: padding='same' needs stride 1")
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if all(t % 2 == 0 for t in total):
        return input, (total[0] // 2, total[1] // 2)
    # An odd rest goes to the right and the bottom.
    (top, left), (bottom, right) = [t // 2 for t in total], [t - t // 2 for t in total]
    return pad(input, (left, right, top, bottom)), (0, 0)


# ---- the column form -----------------------------------------------------------------------------


def _infer_unfold(x: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    n, c, *hw = x.shape
    count = [window_count(hw[i], kernel[i], stride[i], padding[i], dilation[i]) for i in range(2)]
    return (n, c * kernel[0] * kernel[1], count[0] * count[1]), x.dtype


# unfold(x, kernel, dilation, padding, stride); fold(columns, (H, W), kernel, ...): its adjoint.
_unfold = primitive(
    "unfold",
    "window",
    _C.unfold,
    lambda K, g, saved, needs, *geometry: (K.fold(g, tuple(saved[0][2:]), *geometry),),
    _infer_unfold,
    saves=(SHAPE,),
    fresh=True,
    flops=lambda inputs, attrs, outputs: 0,
)
_fold = primitive(
    "fold",
    "window",
    _C.fold,
    lambda K, g, saved, needs, hw, *geometry: (K.unfold(g, *geometry),),
    lambda x, hw, kernel, *geometry: (
        (x.shape[0], x.shape[1] // (kernel[0] * kernel[1]), *hw),
        x.dtype,
    ),
    fresh=True,
)


def _geometry(op: str, kernel_size: Pair, dilation: Pair, padding: Pair, stride: Pair) -> Any:
    return (
        pair(op, "kernel_size", kernel_size),
        pair(op, "dilation", dilation),
        pair(op, "padding", padding, 0),
        pair(op, "stride", stride),
    )


def unfold(
    input: Tensor, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Tensor:
    """The windows of images as columns (im2col): (N, C, H, W) to (N, C * kh * kw, L).

    Rows are ordered by channel, then row and column within the window; the L columns by the
    window's place, row by row. conv2d is `weight.reshape(O, -1) @ unfold(input)`.
    """
    if input.ndim == 3:
        out = unfold(reshape(input, (1, *input.shape)), kernel_size, dilation, padding, stride)
        return reshape(out, out.shape[1:])
    return _unfold(input, *_geometry("unfold", kernel_size, dilation, padding, stride))


def fold(
    input: Tensor,
    output_size: Pair,
    kernel_size: Pair,
    dilation: Pair = 1,
    padding: Pair = 0,
    stride: Pair = 1,
) -> Tensor:
    """Columns added back at the places of their windows (col2im): the adjoint of `unfold`."""
    if input.ndim == 2:
        out = fold(
            reshape(input, (1, *input.shape)), output_size, kernel_size, dilation, padding, stride
        )
        return reshape(out, out.shape[1:])
    hw = pair("fold", "output_size", output_size)
    return _fold(input, hw, *_geometry("fold", kernel_size, dilation, padding, stride))
