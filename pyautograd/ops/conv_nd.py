"""Convolution in one and three dimensions, and the transposed ones: composed of conv2d's family.

A sequence is an image of height 1. A volume becomes the images that its depth taps meet, side by
side as channels: the memory for that is the input times the kernel's depth. A transposed
convolution is the input gradient of the convolution with the same weights.
"""

from __future__ import annotations

import math
from typing import Any

from pyautograd.ops.conv import Pair, conv2d, conv2d_input_grad, fold, per_dim, unfold, window_count
from pyautograd.ops.shape import contiguous, pad, permute, reshape
from pyautograd.tensor import Tensor

__all__ = ["conv1d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

_Sizes = tuple[int, ...]


# ---- checks --------------------------------------------------------------------------------------


def _check(
    op: str, dims: int, input: Any, weight: Any, bias: Any, groups: Any, transposed: bool
) -> None:
    """Types, numbers of dimensions and channels."""
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        raise TypeError(
            f"{op}: expected tensors as input and weight, got {type(input).__name__} and "
            f"{type(weight).__name__}"
        )
    given = [input, weight, *([] if bias is None else [bias])]
    for t in given:
        if not isinstance(t, Tensor) or t.dtype.kind != "f" or t.dtype != input.dtype:
            kinds = ", ".join(
                str(t.dtype) if isinstance(t, Tensor) else type(t).__name__ for t in given
            )
            raise TypeError(f"{op}: expected tensors all float32 or all float64, got {kinds}")
    if input.ndim not in (dims + 1, dims + 2) or weight.ndim != dims + 2:
        raise ValueError(
            f"{op}: expected input (N, C, {LETTERS[dims]}) or ({'C, ' + LETTERS[dims]}) and a "
            f"weight of {dims + 2} dimensions, got {input.shape} and {weight.shape}"
        )
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{op}: expected groups of at least 1, got {groups}")
    channels, out, of_group = input.shape[-1 - dims], weight.shape[0], weight.shape[1]
    if out % groups:
        raise ValueError(
            f"{op}: expected {'input' if transposed else 'output'} channels divisible by "
            f"groups={groups}, got weight {weight.shape}"
        )
    expected = out if transposed else of_group * groups
    if channels != expected:
        raise ValueError(
            f"{op}: expected {expected} input channels (weight {weight.shape} with "
            f"groups={groups}), got input {input.shape}"
        )
    made = of_group * groups if transposed else out
    if bias is not None and bias.shape != (made,):
        raise ValueError(f"{op}: expected bias ({made},), got {bias.shape}")
    if min(weight.shape[2:]) < 1:
        raise ValueError(f"{op}: expected a kernel of at least 1, got weight {weight.shape}")


LETTERS = {1: "L", 2: "H, W", 3: "D, H, W"}


def _check_windows(op: str, sizes: _Sizes, kernel: _Sizes, padding: _Sizes, dilation: Any) -> None:
    for size, k, p, d in zip(sizes, kernel, padding, dilation, strict=True):
        if d * (k - 1) + 1 > size + 2 * p:
            raise ValueError(
                f"{op}: the kernel {kernel} with dilation {tuple(dilation)} is larger than the "
                f"input {sizes} with padding {padding}"
            )


# ---- as images -----------------------------------------------------------------------------------


def as_image(x: Tensor) -> Tensor:
    """A sequence (..., L) as an image (..., 1, L)."""
    return reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _depth_windows(x: Tensor, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    """Volumes (N, C, D, H, W) as images (N * D', C * kernel, H, W)."""
    n, c, d, h, w = x.shape
    if (kernel, stride, padding) != (1, 1, 0):
        count = window_count(d, kernel, stride, padding, dilation)
        plane = reshape(x, (n, c, d, h * w))
        x = unfold(plane, (kernel, 1), (dilation, 1), (padding, 0), (stride, 1))
        c, d = c * kernel, count
    return reshape(permute(reshape(x, (n, c, d, h, w)), (0, 2, 1, 3, 4)), (n * d, c, h, w))


def _volumes(images: Tensor, n: int, depth: int) -> Tensor:
    """(N * D, C, H, W) as (N, C, D, H, W)."""
    return permute(reshape(images, (n, depth, *images.shape[1:])), (0, 2, 1, 3, 4))


# ---- convolutions --------------------------------------------------------------------------------


def _same_border(
    op: str, name: str, kernel: _Sizes, stride: _Sizes, dilation: _Sizes
) -> tuple[_Sizes, _Sizes]:
    """The padding before and after each dimension; an odd rest goes after."""
    if name == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if name != "same":
        raise ValueError(f"{op}: padding is numbers, 'valid' or 'same', got {name!r}")
    if max(stride) != 1:
        raise ValueError(f"{op}: padding='same' needs stride 1")
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple([t // 2 for t in total]), tuple([t - t // 2 for t in total])


def _convolution(
    op: str, dims: int, input: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, dilation: Any, groups: Any,
) -> Tensor:  # fmt: skip
    _check(op, dims, input, weight, bias, groups, False)
    stride = per_dim(op, "stride", stride, dims)
    dilation = per_dim(op, "dilation", dilation, dims)
    if input.ndim == dims + 1:
        batch = reshape(input, (1, *input.shape))
        out = _convolution(op, dims, batch, weight, bias, stride, padding, dilation, groups)
        return reshape(out, out.shape[1:])
    kernel = weight.shape[2:]
    if isinstance(padding, str):
        padding, after = _same_border(op, padding, kernel, stride, dilation)
        if padding != after:
            border = [n for two in zip(padding[::-1], after[::-1], strict=True) for n in two]
            input, padding = pad(input, border), (0,) * dims
    padding = per_dim(op, "padding", padding, dims, 0)
    _check_windows(op, input.shape[2:], kernel, padding, dilation)
    if dims == 1:
        out = conv2d(
            as_image(input),
            as_image(weight),
            bias,
            (1, *stride),
            (0, *padding),
            (1, *dilation),
            groups,
        )
        return reshape(out, (*out.shape[:2], out.shape[-1]))
    n, (o, c, d, h, w) = input.shape[0], weight.shape
    images = _depth_windows(input, d, stride[0], padding[0], dilation[0])
    taps = reshape(weight, (o, c * d, h, w))
    out = conv2d(images, taps, bias, stride[1:], padding[1:], dilation[1:], groups)
    depth = window_count(input.shape[2], d, stride[0], padding[0], dilation[0])
    return contiguous(_volumes(out, n, depth))


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of sequences with filters: `conv2d` of one dimension.

    input (N, C, L) or (C, L), weight (O, C/groups, k), bias (O,).

    >>> import pyautograd as ag
    >>> ag.nn.functional.conv1d(ag.tensor([[[1.0, 2.0, 4.0, 8.0]]]), ag.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 4.]]])
    """
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of volumes with filters: `conv2d` of three dimensions.

    input (N, C, D, H, W) or (C, D, H, W), weight (O, C/groups, kd, kh, kw), bias (O,).

    >>> import pyautograd as ag
    >>> ag.nn.functional.conv3d(ag.ones(2, 3, 5, 6, 7), ag.ones(4, 3, 2, 3, 3), stride=2).shape
    (2, 4, 2, 2, 3)
    """
    return _convolution("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


# ---- transposed convolutions ---------------------------------------------------------------------


def transposed_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int, output_padding: int = 0
) -> int:
    """The size that a transposed convolution makes of `size`."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def _transposed_images(
    x: Tensor, weight: Tensor, out: _Sizes, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """(N, C, H, W) and (C, O/groups, kh, kw) to (N, O, *out)."""
    geometry = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    full = [transposed_size(*g) for g in geometry]
    if all(0 <= o - f < s for o, f, s in zip(out, full, stride, strict=True)):
        return conv2d_input_grad(x, weight, out, stride, padding, dilation, groups)
    # The larger output shows what lies in the padding, or zeros beyond it: compute all, and cut.
    uncut = tuple([f + 2 * p for f, p in zip(full, padding, strict=True)])
    every = conv2d_input_grad(x, weight, uncut, stride, (0, 0), dilation, groups)
    border = [(-p, o + p - u) for o, p, u in zip(out, padding, uncut, strict=True)]
    return pad(every, [*border[1], *border[0]])


def _transposed(
    op: str, dims: int, input: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any,
) -> Tensor:  # fmt: skip
    _check(op, dims, input, weight, bias, groups, True)
    if input.ndim == dims + 1:
        batch = reshape(input, (1, *input.shape))
        y = _transposed(
            op, dims, batch, weight, bias, stride, padding, output_padding, groups, dilation
        )
        return reshape(y, y.shape[1:])
    stride = per_dim(op, "stride", stride, dims)
    padding = per_dim(op, "padding", padding, dims, 0)
    output_padding = per_dim(op, "output_padding", output_padding, dims, 0)
    dilation = per_dim(op, "dilation", dilation, dims)
    sizes, kernel = input.shape[2:], weight.shape[2:]
    for extra, s, d in zip(output_padding, stride, dilation, strict=True):
        if extra >= max(s, d):
            raise ValueError(
                f"{op}: expected output_padding smaller than stride or dilation, got "
                f"{output_padding} with stride {stride} and dilation {dilation}"
            )
    geometry = zip(sizes, kernel, stride, padding, dilation, output_padding, strict=True)
    out = tuple([transposed_size(*g) for g in geometry])
    if min(out) < 1:
        raise ValueError(
            f"{op}: input {input.shape}, kernel {kernel} and padding {padding} make an output of "
            f"size {out}"
        )
    if dims == 1:
        y = _transposed_images(
            as_image(input), as_image(weight), (1, *out), (1, *stride), (0, *padding),
            (1, *dilation), groups,
        )  # fmt: skip
        y = reshape(y, (*y.shape[:2], *out))
    elif dims == 2:
        y = _transposed_images(input, weight, out, stride, padding, dilation, groups)
    else:
        y = _transposed_volumes(input, weight, out, stride, padding, dilation, groups)
    return y if bias is None else y + reshape(bias, (-1, *(1,) * dims))


def _transposed_volumes(
    x: Tensor, weight: Tensor, out: _Sizes, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    n, c, d, h, w = x.shape
    _, o, kd, kh, kw = weight.shape
    images = reshape(permute(x, (0, 2, 1, 3, 4)), (n * d, c, h, w))
    taps = reshape(weight, (c, o * kd, kh, kw))
    rest = stride[1:], padding[1:], dilation[1:]
    y = _volumes(_transposed_images(images, taps, out[1:], *rest, groups), n, d)
    if (kd, stride[0], padding[0], out[0]) == (1, 1, 0, d):
        return contiguous(y)
    # Images are added up at the depths that their taps meet, as `unfold` would read them there.
    deep = transposed_size(d, kd, stride[0], 0, dilation[0])
    plane = math.prod(out[1:])
    columns = reshape(y, (n, o * groups * kd, d * plane))
    y = fold(columns, (deep, plane), (kd, 1), (dilation[0], 1), 0, (stride[0], 1))
    y = reshape(y, (n, o * groups, deep, *out[1:]))
    return pad(y, [0, 0, 0, 0, -padding[0], out[0] + padding[0] - deep])


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """`conv_transpose2d` of one dimension: (N, C, L) or (C, L), weight (C, O/groups, k).

    >>> import pyautograd as ag
    >>> x, w = ag.tensor([[[1.0, 2.0]]]), ag.tensor([[[1.0, 10.0, 100.0]]])
    >>> ag.nn.functional.conv_transpose1d(x, w, stride=2)
    tensor([[[  1.,  10., 102.,  20., 200.]]])
    """
    return _transposed(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """The transposed convolution of images: what `conv2d` with these filters maps back.

    out[n, o, i*stride - padding + r*dilation, j*... + s*dilation] is the sum over c, r, s of
        weight[c, o, r, s] * input[n, c, i, j], plus bias[o]

    input (N, C, H, W) or (C, H, W), weight (C, O/groups, kh, kw), bias (O,). The output's height
    is (H - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1;
    `output_padding`, smaller than stride or dilation, picks one of the sizes that `conv2d` maps to
    the same H.

    >>> import pyautograd as ag
    >>> ag.nn.functional.conv_transpose2d(ag.ones(1, 1, 2, 2), ag.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return _transposed(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """`conv_transpose2d` of three dimensions: (N, C, D, H, W), weight (C, O/groups, kd, kh, kw).

    >>> import pyautograd as ag
    >>> x, w = ag.ones(1, 2, 3, 4, 5), ag.ones(2, 3, 2, 2, 2)
    >>> ag.nn.functional.conv_transpose3d(x, w, stride=2).shape
    (1, 3, 6, 8, 10)
    """
    return _transposed(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip
