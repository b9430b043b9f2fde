r"""The formula of each op, and of its gradients, in LaTeX: one table.

In it `<y>` is the result, `<a>`, `<b>`, `<c>`, ... are the operands in their order and `<g>` is the
gradient that arrives, ∂L/∂y; `<T>` marks a transpose, `<t>` one in an exponent. A row is the value,
then for each operand:

- of an element-wise op the local derivative, ∂y/∂a: its gradient is that times `<g>`;
- of any other op the gradient, ∂L/∂a, itself.

None stands for an operand without a gradient. A row that depends on the attributes of the call is a
function of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = tuple[str | None, ...]

OPERANDS = "abcdefh"

# Ops that have a sign of their own.
SYMBOLS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "neg": "−",
    "pow": "xʸ",
    "exp": "eˣ",
    "sqrt": "√",
    "sum": "Σ",
    "matmul": "@",
}


@dataclass(frozen=True)
class Formula:
    """value: what the op computes. local: ∂y/∂operand of element-wise ops, else None. grads:
    ∂L/∂operand; None for an operand without a gradient.
    """

    value: str
    local: Row
    grads: Row


def _mean_or_sum(dims: Any, keepdim: bool, scale: float) -> Row:
    if scale == 1.0:
        return r"\sum <a>", r"\mathrm{spread}\left(<g>\right)"
    factor = rf"\frac{{1}}{{{1 / scale:.6g}}}" if 0 < abs(scale) < 1 else f"{scale:.6g}"
    return rf"{factor} \sum <a>", rf"{factor} \cdot \mathrm{{spread}}\left(<g>\right)"


def _extreme(dims: Any, keepdim: bool, largest: bool) -> Row:
    function = r"\max" if largest else r"\min"
    return rf"{function} <a>", r"\frac{[<a> = <y>]}{\text{how many}} \odot <g>"


def _along(dim: int, largest: bool) -> Row:
    function = r"\max" if largest else r"\min"
    return (
        rf"{function}_{{\mathrm{{dim}}\,{dim}}} <a>",
        r"<g>\ \text{at the chosen places, else } 0",
    )


def _normalize(view: Any, groups: Any, eps: float, centred: bool) -> Row:
    deviation, mean = (r"<a> - \mu", r"\overline{u} - ") if centred else ("<a>", "")
    return (
        rf"\frac{{{deviation}}}{{\sqrt{{\sigma^{{2}} + \varepsilon}}}} \odot <b> + <c>",
        rf"\frac{{u - {mean}\hat{{a}}\, \overline{{u \hat{{a}}}}}}"
        r"{\sqrt{\sigma^{2} + \varepsilon}},\ u = <g> \odot <b>",
        r"\sum <g> \odot \hat{a}",
        r"\sum <g>",
    )


_SIGMOID = r"\sigma(<a>)"
_CASES = r"\begin{cases} %s & %s \\ %s & \text{otherwise} \end{cases}"

ELEMENTWISE: dict[str, Row | Callable[..., Row]] = {
    "add": ("<a> + <b>", "1", "1"),
    "sub": ("<a> - <b>", "1", "-1"),
    "mul": (r"<a> \odot <b>", "<b>", "<a>"),
    "div": (r"\frac{<a>}{<b>}", r"\frac{1}{<b>}", r"-\frac{<y>}{<b>}"),
    "pow": ("<a>^{<b>}", r"<b> \cdot <a>^{<b> - 1}", r"<y> \ln <a>"),
    "neg": ("-<a>", "-1"),
    "sign": (r"\operatorname{sign}(<a>)", "0"),
    "abs": (r"\left| <a> \right|", r"\operatorname{sign}(<a>)"),
    "exp": ("e^{<a>}", "<y>"),
    "exp2": ("2^{<a>}", r"<y> \ln 2"),
    "expm1": ("e^{<a>} - 1", "<y> + 1"),
    "log": (r"\ln <a>", r"\frac{1}{<a>}"),
    "log1p": (r"\ln(1 + <a>)", r"\frac{1}{1 + <a>}"),
    "log2": (r"\log_{2} <a>", r"\frac{1}{<a> \ln 2}"),
    "log10": (r"\log_{10} <a>", r"\frac{1}{<a> \ln 10}"),
    "sqrt": (r"\sqrt{<a>}", r"\frac{1}{2 <y>}"),
    "sin": (r"\sin <a>", r"\cos <a>"),
    "cos": (r"\cos <a>", r"-\sin <a>"),
    "tan": (r"\tan <a>", "1 + <y>^{2}"),
    "asin": (r"\arcsin <a>", r"\frac{1}{\sqrt{1 - <a>^{2}}}"),
    "acos": (r"\arccos <a>", r"-\frac{1}{\sqrt{1 - <a>^{2}}}"),
    "atan": (r"\arctan <a>", r"\frac{1}{1 + <a>^{2}}"),
    "sinh": (r"\sinh <a>", r"\cosh <a>"),
    "cosh": (r"\cosh <a>", r"\sinh <a>"),
    "asinh": (r"\operatorname{arsinh} <a>", r"\frac{1}{\sqrt{1 + <a>^{2}}}"),
    "acosh": (r"\operatorname{arcosh} <a>", r"\frac{1}{\sqrt{<a>^{2} - 1}}"),
    "atanh": (r"\operatorname{artanh} <a>", r"\frac{1}{1 - <a>^{2}}"),
    "atan2": (
        r"\arctan \frac{<a>}{<b>}",
        r"\frac{<b>}{<a>^{2} + <b>^{2}}",
        r"-\frac{<a>}{<a>^{2} + <b>^{2}}",
    ),
    "hypot": (r"\sqrt{<a>^{2} + <b>^{2}}", r"\frac{<a>}{<y>}", r"\frac{<b>}{<y>}"),
    "logaddexp": (r"\ln(e^{<a>} + e^{<b>})", "e^{<a> - <y>}", "e^{<b> - <y>}"),
    "remainder": (
        r"<a> - <b> \lfloor \frac{<a>}{<b>} \rfloor",
        "1",
        r"-\lfloor \frac{<a>}{<b>} \rfloor",
    ),
    "fmod": (
        r"<a> - <b> \operatorname{trunc} \frac{<a>}{<b>}",
        "1",
        r"-\operatorname{trunc} \frac{<a>}{<b>}",
    ),
    "tanh": (r"\tanh <a>", "1 - <y>^{2}"),
    "erf": (r"\operatorname{erf}(<a>)", r"\frac{2}{\sqrt{\pi}} e^{-<a>^{2}}"),
    "sigmoid": (r"\frac{1}{1 + e^{-<a>}}", r"<y> \cdot (1 - <y>)"),
    "logsigmoid": (r"\ln \sigma(<a>)", r"\sigma(-<a>)"),
    "softplus": (r"\ln(1 + e^{<a>})", _SIGMOID),
    "relu": (r"\max(<a>, 0)", r"[<a> > 0]"),
    "relu6": (r"\min(\max(<a>, 0), 6)", r"[0 < <a> < 6]"),
    "leaky_relu": lambda slope: (
        _CASES % ("<a>", "<a> > 0", f"{slope:.6g} <a>"),
        _CASES % ("1", "<a> > 0", f"{slope:.6g}"),
    ),
    "elu": lambda alpha: (
        _CASES % ("<a>", "<a> > 0", rf"{alpha:.6g} \left(e^{{<a>}} - 1\right)"),
        _CASES % ("1", "<a> > 0", rf"{alpha:.6g}\, e^{{<a>}}"),
    ),
    "gelu": (r"<a> \cdot \Phi(<a>)", r"\Phi(<a>) + <a> \cdot \varphi(<a>)"),
    "gelu_tanh": (
        r"\frac{<a>}{2} \left(1 + \tanh\left(\sqrt{2 / \pi} \left(<a> + 0.0447 <a>^{3}\right)\right)\right)",  # noqa: E501
        r"\text{its slope at } <a>",
    ),
    "silu": (rf"<a> \cdot {_SIGMOID}", rf"{_SIGMOID} + <y> \left(1 - {_SIGMOID}\right)"),
    "mish": (r"<a> \cdot \tanh(\ln(1 + e^{<a>}))", r"\text{its slope at } <a>"),
    "hardswish": (
        r"\frac{<a>}{6} \min(\max(<a> + 3, 0), 6)",
        r"\text{0, then } \frac{2 <a> + 3}{6} \text{, then 1}",
    ),
    "floor": (r"\lfloor <a> \rfloor", "0"),
    "ceil": (r"\lceil <a> \rceil", "0"),
    "trunc": (r"\operatorname{trunc}(<a>)", "0"),
    "round": (r"\operatorname{round}(<a>)", "0"),
    "maximum": (r"\max(<a>, <b>)", r"[<a> > <b>]", r"[<b> > <a>]"),
    "minimum": (r"\min(<a>, <b>)", r"[<a> < <b>]", r"[<b> < <a>]"),
    "where": (
        r"\begin{cases} <b> & \text{where } <a> \\ <c> & \text{elsewhere} \end{cases}",
        None,
        r"[<a>]",
        r"[\lnot <a>]",
    ),
    "clamp": (
        r"\min(\max(<a>, <b>), <c>)",
        r"[<b> \le <a> \le <c>]",
        None,
        None,
    ),
    "clamp_grad": (r"<a> \cdot [<b> = <c>]", r"[<b> = <c>]", None, None),
    "cast": lambda dtype: (rf"\mathrm{{{dtype}}}(<a>)", "1"),
    # The gradient ops, which a graph of second derivatives holds.
    "tanh_grad": (r"<a> \cdot (1 - <b>^{2})", "1 - <b>^{2}", r"-2 <a> <b>"),
    "sigmoid_grad": (r"<a> \cdot <b> (1 - <b>)", r"<b> (1 - <b>)", r"<a> (1 - 2 <b>)"),
    "relu_grad": (r"<a> \cdot [<b> > 0]", r"[<b> > 0]", None),
    "sin_grad": (r"<a> \cos <b>", r"\cos <b>", r"-<a> \sin <b>"),
    "cos_grad": (r"-<a> \sin <b>", r"-\sin <b>", r"-<a> \cos <b>"),
}

_AT_PLACES = r"<g>\ \text{added at those places, else } 0"

OTHERS: dict[str, Row | Callable[..., Row]] = {
    "sum": _mean_or_sum,
    "sum_to": (r"\sum_{\text{broadcast}} <a>", r"\mathrm{spread}\left(<g>\right)"),
    "extreme": _extreme,
    "extreme_along": _along,
    # contractions
    "matmul": (r"<a>\, <b>", r"<g>\, <b><T>", r"<a><T>\, <g>"),
    "linear": (r"<a>\, <b><T> + <c>", r"<g>\, <b>", r"<g><T> <a>", r"\sum_{\text{rows}} <g>"),
    "conv2d": (
        r"<a> \star <b> + <c>",
        r"<g> \ast <b>",
        r"<a> \star <g>",
        r"\sum_{n, i, j} <g>",
    ),
    "conv2d_input_grad": (r"<a> \ast <b>", r"<g> \star <b>", r"<g> \star <a>"),
    "conv2d_weight_grad": (r"<b> \star <a>", r"<b> \star <g>", r"<a> \ast <g>"),
    # factorisations; those of eigenvectors and the like are left to the row of the unknown
    "inv": ("<a>^{-1}", r"-<y><T>\, <g>\, <y><T>"),
    "solve": (r"<a>^{-1} <b>", r"-<a>^{-<t>} <g>\, <y><T>", r"<a>^{-<t>} <g>"),
    "det": (r"\det <a>", r"<g> \cdot <y> \cdot <a>^{-<t>}"),
    "log_det": (r"\ln \left| \det <a> \right|", r"<g> \cdot <a>^{-<t>}"),
    "lower_half": (
        r"\mathrm{tril}(<a>)\ \text{with half the diagonal}",
        r"\mathrm{tril}\left(<g>\right)\ \text{with half the diagonal}",
    ),
    # windows
    "unfold": (r"\mathrm{im2col}(<a>)", r"\mathrm{col2im}\left(<g>\right)"),
    "fold": (r"\mathrm{col2im}(<a>)", r"\mathrm{im2col}\left(<g>\right)"),
    "max_pool2d": (
        r"\max_{\text{window}} <a>",
        r"<g>\ \text{at each window's largest, else } 0",
    ),
    "avg_pool2d": (
        r"\operatorname{mean}_{\text{window}} <a>",
        r"\frac{<g>}{\text{window size}}\ \text{to each of the window}",
    ),
    "max_pool2d_windows": (
        r"\max_{\text{window}} <a>",
        r"<g>\ \text{at each window's largest, else } 0",
    ),
    "resample2d": (
        r"W <a> V<T>",
        r"W<T> <g>\, V",
    ),
    "grid_sample": (
        r"<a>\ \text{read at } <b>",
        r"<g>\ \text{added at } <b>",
        r"<g> \odot \text{the slopes of } <a> \text{ at } <b>",
    ),
    # normalisations and losses
    "softmax": (
        r"\frac{e^{<a>}}{\sum e^{<a>}}",
        r"<y> \odot \left(<g> - \sum <g> \odot <y>\right)",
    ),
    "log_softmax": (r"<a> - \ln \sum e^{<a>}", r"<g> - e^{<y>} \sum <g>"),
    "cross_entropy": lambda ignore_index, reduction, smoothing: (
        (r"\frac{1}{N} " if reduction == "mean" else "")
        + r"\sum_{n} -\ln \operatorname{softmax}(<a>)_{n, <b>_{n}}",
        r"<g> \cdot "
        + (r"\frac{1}{N} " if reduction == "mean" else "")
        + r"\left(\operatorname{softmax}(<a>) - \mathrm{onehot}(<b>)\right)",
        None,
        None,
    ),
    "normalize": _normalize,
    # movements
    "reshape": (r"\mathrm{reshape}(<a>)", r"\mathrm{reshape}\left(<g>\right)"),
    "permute": lambda dims: (
        ("<a><T>" if tuple(dims) == (1, 0) else r"\mathrm{permute}(<a>)"),
        ("<g><T>" if tuple(dims) == (1, 0) else r"\mathrm{permute}^{-1}\left(<g>\right)"),
    ),
    "expand": (r"\mathrm{spread}(<a>)", r"\sum <g>"),
    "clone": ("<a>", "<g>"),
    "pad": (r"\mathrm{pad}(<a>)", r"<g>\ \text{without the border}"),
    "slice": (r"<a>[\,\ldots\,]", r"<g>\ \text{at that part, else } 0"),
    "slice_grad": (r"<a>\ \text{at that part, else } 0", r"<g>[\,\ldots\,]"),
    "index": (r"<a>[<b>]", _AT_PLACES, None),
    "gather": (r"<a>[<b>]", _AT_PLACES, None),
    "embedding": (r"<a>[<b>]", r"<g>\ \text{added to those rows, else } 0", None),
    "scatter": (
        r"<a>\ \text{with } <b> \text{ at } <c>",
        r"<g>\ \text{with } 0 \text{ at } <c>",
        "<g>[<c>]",
        None,
    ),
    "scatter_add": (r"<a>\ \text{added at } <b>", r"<g>[<b>]", None),
    "index_add": (r"<a>\ \text{added at } <b>", r"<g>[<b>]", None),
    "sort": (r"\mathrm{sort}(<a>)", r"<g>\ \text{back at the old places}"),
    "running_sum": (
        r"\mathrm{cumsum}(<a>)",
        r"\mathrm{cumsum}\left(<g>\right)\ \text{from the other end}",
    ),
    "part": (r"<a>[\,\ldots\,]", r"<g>\ \text{at that part, else } 0"),
    "put": (r"<a>\ \text{at that part, else } 0", r"<g>[\,\ldots\,]"),
    "erase": (
        r"<a>\ \text{with } 0 \text{ at that part}",
        r"<g>\ \text{with } 0 \text{ at that part}",
    ),
    "assign": (
        r"<a>\ \text{with } <b> \text{ at that part}",
        r"<g>\ \text{with } 0 \text{ at that part}",
        r"<g>[\,\ldots\,]",
    ),
}  # fmt: skip


def formula(name: str, attrs: tuple[Any, ...], operands: int, missing: frozenset[int]) -> Formula:
    r"""Of a call with that many operands, of which those `missing` were not given.

    >>> formula("mul", (), 2, frozenset()).local
    ('<b>', '<a>')
    >>> formula("exp", (), 1, frozenset())
    Formula(value='e^{<a>}', local=('<y>',), grads=('<g> \\odot <y>',))
    """
    if name in ELEMENTWISE:
        value, *local = _row(ELEMENTWISE[name], attrs)
        grads = tuple(None if x is None else _times(x) for x in local)
        return Formula(value or "", tuple(local), grads)
    if name in OTHERS:
        value, *given = _row(OTHERS[name], attrs)
        return Formula(_without(value or "", missing), (None,) * operands, tuple(given))
    if name == "cat":
        parts = ", ".join(f"<{x}>" for x in OPERANDS[: min(operands, 3)])
        more = r", \ldots" if operands > 3 else ""
        own = r"<g>\ \text{at its own part}"
        return Formula(rf"[{parts}{more}]", (None,) * operands, (own,) * operands)
    return unknown(name, operands)


def _row(row: Row | Callable[..., Row], attrs: tuple[Any, ...]) -> Row:
    return row(*attrs) if callable(row) else row


def _times(local: str) -> str:
    if local in ("1", "-1"):
        return "<g>" if local == "1" else "-<g>"
    if local == "0":
        return "0"
    return rf"<g> \odot {_bracketed(local)}"


def _bracketed(text: str) -> str:
    """In brackets where it is a sum, or starts with a sign."""
    depth = 0
    for i, x in enumerate(text):
        depth += (x in "{(") - (x in "})")
        if not depth and x in "+-" and (not i or text[i - 1] == " "):
            return rf"\left({text}\right)"
    return text


def _without(value: str, missing: frozenset[int]) -> str:
    """The formula without the terms and factors that were not given."""
    for slot in missing:
        for before in (" + ", r" \odot "):
            value = value.replace(f"{before}<{OPERANDS[slot]}>", "")
    return value


def unknown(name: str, operands: int) -> Formula:
    """The formula of what has no row: the function's name, and its Jacobian."""
    written = name.replace("_", r"\_")
    arguments = ", ".join(f"<{x}>" for x in OPERANDS[: min(operands, 4)])
    more = r", \ldots" if operands > 4 else ""
    grads = tuple(
        rf"\left(\frac{{\partial <y>}}{{\partial <{x}>}}\right)<T> <g>" for x in OPERANDS[:operands]
    )
    grads += (r"\text{its part of the gradient}",) * (operands - len(grads))
    value = rf"\mathrm{{{written}}}({arguments}{more})"
    return Formula(value, (None,) * operands, grads)
