"""Modules as functions of their parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyautograd.nn.module import Module
from pyautograd.ops.shape import stack
from pyautograd.tensor import Tensor, wrap


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with other tensors in the place of its parameters and buffers.

    parameter_and_buffer_dicts: tensors by dotted name, as of `named_parameters`; one dict, or
        several with different names. Members without a name in them stay as they are.
    args: a tuple of positional arguments, or the only one.
    tie_weights: whether a tensor for one name of a shared parameter takes the place of all its
        names.
    strict: whether every member must have a tensor and every name a member: else RuntimeError.

    The module is the same afterwards. It must not be called in other threads meanwhile.

    >>> import pyautograd as ag
    >>> line = ag.nn.Linear(2, 1)
    >>> given = {"weight": ag.ones(1, 2), "bias": ag.zeros(1)}
    >>> ag.func.functional_call(line, given, (ag.tensor([3.0, 4.0]),))
    tensor([7.])
    """
    given = _merged(parameter_and_buffer_dicts)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, (tuple, list)) or not all(isinstance(d, Mapping) for d in dicts):
        raise ValueError(
            f"functional_call: expected a dict of tensors or several, got {type(dicts).__name__}"
        )
    merged: dict[str, Any] = {}
    for one in dicts:
        twice = merged.keys() & one.keys()
        if twice:
            raise ValueError(f"functional_call: {sorted(twice)} are in more than one dict")
        merged.update(one)
    return merged


def _members(module: Module) -> dict[str, tuple[Module, dict[str, Any], str]]:
    """By dotted name: the module that has the parameter or buffer, its registry, its name there."""
    found = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        for registry in (owner._parameters, owner._buffers):
            for name, value in registry.items():
                if value is not None:
                    found[f"{path}.{name}" if path else name] = (owner, registry, name)
    return found


@contextlib.contextmanager
def _replaced(
    module: Module, given: dict[str, Any], tie_weights: bool, strict: bool
) -> Iterator[None]:
    members = _members(module)
    names: dict[int, list[str]] = {}
    for key, (_, registry, name) in members.items():
        names.setdefault(id(registry[name]), []).append(key)
    wanted: dict[str, Any] = {}
    for key, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"functional_call: {key!r}: expected a tensor, got {type(value).__name__}"
            )
        if key not in members:
            continue
        _, registry, name = members[key]
        for other in names[id(registry[name])] if tie_weights else (key,):
            if wanted.get(other, value) is not value and other in given:
                raise ValueError(
                    f"functional_call: {key!r} and {other!r} are one tensor in the module but two "
                    "here; pass tie_weights=False, or one of them"
                )
            wanted[other] = value
    if strict:
        unexpected, missing = sorted(given.keys() - members), sorted(members.keys() - wanted.keys())
        if unexpected or missing:
            raise RuntimeError(
                f"functional_call: {type(module).__name__} has no {unexpected}; not given are "
                f"{missing}"
            )
    before = []
    try:
        for key, value in wanted.items():
            owner, registry, name = members[key]
            before.append((owner, registry, name, registry[name]))
            registry[name] = owner.__dict__[name] = value
        yield
    finally:
        for owner, registry, name, value in before:
            registry[name] = owner.__dict__[name] = value


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of modules of one kind, stacked by name along a new dimension 0.

    For an ensemble run by vmap. The stacked parameters are new leaves, for an optimiser. Raises
    RuntimeError for no models, or models that differ in class or mode.

    >>> import pyautograd as ag
    >>> models = [ag.nn.Linear(3, 2) for _ in range(4)]
    >>> params, buffers = ag.func.stack_module_state(models)
    >>> def run(params, x):
    ...     return ag.func.functional_call(models[0], params, (x,))
    >>> ag.vmap(run, (0, None))(params, ag.ones(5, 3)).shape
    (4, 5, 2)
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: expected at least one model")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: some models are in training mode, some are not")
    if len({type(model) for model in models}) > 1:
        kinds = sorted({type(model).__name__ for model in models})
        raise RuntimeError(f"stack_module_state: expected models of one class, got {kinds}")
    return _stacked([dict(m.named_parameters()) for m in models]), _stacked(
        [dict(m.named_buffers()) for m in models]
    )


def _stacked(members: list[dict[str, Any]]) -> dict[str, Any]:
    out = {}
    for name, first in members[0].items():
        both = stack([wrap(member[name]._array) for member in members])
        out[name] = both.requires_grad_() if first.requires_grad else both
    return out
