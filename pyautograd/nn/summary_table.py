"""The table of a `Summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyautograd.terminal import rendered, table_of, units

if TYPE_CHECKING:
    from pyautograd.nn.summarize import Layer, Shape, Summary

_NARROW = 100  # columns of text below which the shapes of inputs are left out


def render(summary: Summary, depth: int | None, width: int) -> str:
    """The layers as a tree, then the totals."""
    wide = width >= _NARROW
    layers = summary.layers if depth is None else _folded(summary.layers, depth)
    called_often = any(layer.calls > 1 for layer in layers)
    table = table_of(
        "layer", *(["input"] if wide else []), "output", *(["calls>"] if called_often else []),
        "parameters>", "FLOPs>", "memory>",
    )  # fmt: skip
    for layer in layers:
        name = layer.path.rpartition(".")[2] or layer.label
        label = f" {layer.label}" if layer.path and layer.label != name else ""
        indent = "  " * layer.depth
        if layer.same_as is not None:
            table.add_row(f"{indent}{name}{label}", *([""] if wide else []),
                          f"the same as {layer.same_as or 'the model'}")  # fmt: skip
            continue
        table.add_row(
            f"{indent}{name}{label}",
            *([_shown(layer.inputs)] if wide else []),
            _shown(layer.outputs) if layer.calls or not layer.can_be_called else "not called",
            *([str(layer.calls) if layer.calls > 1 else ""] if called_often else []),
            f"{layer.parameters:,}" if layer.parameters else "",
            units(layer.flops) if layer.flops else "",
            units(layer.memory, "B") if layer.memory else "",
        )
    table.add_section()
    table.add_row(
        "all", *([""] if wide else []), "", *([""] if called_often else []),
        f"{summary.parameters:,}", units(summary.flops), units(summary.memory, "B"),
    )  # fmt: skip
    return f"{rendered(table, width)}\n\n{_totals(summary)}"


def _totals(summary: Summary) -> str:
    frozen = summary.parameters - summary.trainable_parameters
    return (
        f"parameters: {units(summary.parameter_bytes, 'B')}"
        + (f", {frozen:,} of them not trained" if frozen else "")
        + f"; buffers: {units(summary.buffer_bytes, 'B')}"
    )


def _folded(layers: list[Layer], depth: int) -> list[Layer]:
    """The layers down to that depth, with the numbers of those below added to them."""
    import copy

    shown: list[Layer] = []
    for layer in layers:
        if layer.depth <= depth:
            shown.append(copy.copy(layer))
        else:
            shown[-1].parameters += layer.parameters
            shown[-1].flops += layer.flops
            shown[-1].memory += layer.memory
    return shown


def _shown(shapes: tuple[Shape, ...]) -> str:
    texts: list[Any] = ["x".join(map(str, shape)) or "scalar" for shape in shapes]
    return ", ".join(texts[:3]) + (", …" if len(texts) > 3 else "")
