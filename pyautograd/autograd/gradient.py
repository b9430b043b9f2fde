"""`autograd.backward` and `grad`: the tape's, for symbols, and for batches of cotangents."""

from __future__ import annotations

import functools
from typing import Any

from pyautograd import tape
from pyautograd.modes import state
from pyautograd.op import Stand, graph_of
from pyautograd.tensor import Tensor


@functools.wraps(tape.backward)
def backward(outputs: Any, *args: Any, **kwargs: Any) -> None:
    if state.building and (graph := graph_of(outputs)) is not None:
        graph.run(tape.backward, outputs, *args, **kwargs)
    else:
        tape.backward(outputs, *args, **kwargs)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the outputs, weighted by `grad_outputs`, with respect to the inputs.

    No tensor's `grad` changes. `grad_outputs` may be left out for outputs with one element. An
    input that the outputs do not depend on is an error, unless `allow_unused` (then it gets None)
    or `materialize_grads` (then it gets zeros). With `is_grads_batched`, dimension 0 of the
    `grad_outputs` is a batch of them, and that of the gradients too; so it is in `vmap` over them.
    `only_inputs` must be true, as in PyTorch, whose programs pass it.

    >>> import pyautograd as ag
    >>> x = ag.tensor(3.0, requires_grad=True)
    >>> (dx,) = ag.autograd.grad(x**3, x, create_graph=True)
    >>> (ddx,) = ag.autograd.grad(dx, x)
    >>> dx.item(), ddx.item()
    (27.0, 18.0)
    >>> x = ag.tensor([1.0, 2.0], requires_grad=True)
    >>> ag.autograd.grad(x**2, x, ag.eye(2), is_grads_batched=True)
    (tensor([[2., 0.],
            [0., 4.]]),)
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not supported; use backward")
    if state.building and (graph := graph_of(outputs)) is not None:
        return graph.run(
            grad, outputs, inputs, grad_outputs, retain_graph, create_graph,
            allow_unused=allow_unused, is_grads_batched=is_grads_batched,
            materialize_grads=materialize_grads,
        )  # fmt: skip
    if grad_outputs is not None:
        seeds = _listed(grad_outputs)
        if is_grads_batched or any(isinstance(u, Stand) for u in seeds):
            keep = create_graph if retain_graph is None else retain_graph
            unused = "zeros" if materialize_grads else "None" if allow_unused else "error"
            run = _over_batch if is_grads_batched else _of_standing
            return run(_listed(outputs), _listed(inputs), seeds, keep, create_graph, unused)
    return tape.grad(
        outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads
    )


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _of_standing(
    outputs: list[Tensor],
    inputs: list[Tensor],
    seeds: list[Any],
    keep: bool,
    create_graph: bool,
    unused: str,
) -> tuple[Any, ...]:
    """With cotangents of vmap or jvp: the rules run on tensors."""
    from pyautograd.func.behind import off_tape
    from pyautograd.func.dual import zeros_like
    from pyautograd.func.reverse import backward_on_tape

    if len(seeds) != len(outputs):
        raise ValueError(f"grad: got {len(seeds)} gradients for {len(outputs)} outputs")
    for y, u in zip(outputs, seeds, strict=True):
        if y._node is None:
            raise RuntimeError("grad: the output requires no gradient")
        if u.shape != y.shape:
            raise ValueError(
                f"grad: a gradient of shape {u.shape} for an output of shape {y.shape}"
            )
    for i, x in enumerate(inputs):
        if x._node is None:
            raise RuntimeError(f"grad: input {i} does not require a gradient")
    found = backward_on_tape(outputs, inputs, seeds, keep, create_graph)
    results = []
    for i, (x, g) in enumerate(zip(inputs, found, strict=True)):
        if g is None and unused == "error":
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i}; "
                "pass allow_unused=True to get None for it"
            )
        if g is None:
            results.append(zeros_like(x) if unused == "zeros" else None)
        else:
            results.append(g if create_graph else off_tape(g))
    return tuple(results)


def _over_batch(
    outputs: list[Tensor],
    inputs: list[Tensor],
    seeds: list[Any],
    keep: bool,
    create_graph: bool,
    unused: str,
) -> tuple[Any, ...]:
    """What is unused has no batch: zeros in the shape of the input, as in PyTorch."""
    from pyautograd.func import vmap
    from pyautograd.func.dual import zeros_like

    results: list[Any] = []
    within = "error" if unused == "error" else "None"

    def run(*row: Any) -> tuple[Any, ...]:
        results[:] = _of_standing(outputs, inputs, list(row), keep, create_graph, within)
        return tuple([g for g in results if g is not None])

    found = iter(vmap(run)(*seeds))
    empty = [zeros_like(x) if unused == "zeros" else None for x in inputs]
    return tuple([e if g is None else next(found) for g, e in zip(results, empty, strict=True)])
