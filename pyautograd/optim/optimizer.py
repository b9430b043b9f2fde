"""What all optimisers share: groups of parameters, their state, and the order of a step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import Any

import numpy as np

from pyautograd import _C
from pyautograd.cost import Cost
from pyautograd.modes import (
    Changes,
    changed_together,
    enable_grad,
    refuse_in_graph,
    state,
    tracer,
)
from pyautograd.nn.module import zero_grads
from pyautograd.op import graph_of
from pyautograd.tensor import Tensor, wrap

_same_layout = _C.same_layout


class Optimizer:
    """The base of optimisers.

    params: tensors, or dicts with "params" and settings that differ from the `defaults`.
    A step is one call of a kernel for all parameters, which checks them all before it writes: a
    step that raises has changed nothing.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, (Tensor, Mapping)):
            raise TypeError(
                f"{type(self).__name__}: expected an iterable of tensors or dicts, got a "
                f"{type(params).__name__}"
            )
        refuse_in_graph("making an optimiser")
        self.defaults = defaults
        self._where = f"{type(self).__name__}.step"
        self.stepped_by: Any = None  # the plan that made the last step, None for this class
        self._changes: list[tuple[list[Any], Changes]] = []  # for the latest choices of parameters
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: got an empty list of parameters")
        if not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # ---- what each optimiser defines -------------------------------------------------------------

    def _check_group(self, group: Mapping[str, Any]) -> None:
        """Raises ValueError for settings that make no sense."""
        raise NotImplementedError

    def _prepare(self, group: dict[str, Any], params: list[Tensor]) -> Any:
        """What the kernel takes for these parameters of the group; changes no parameter or state.

        State that is missing is made, but not kept yet.
        """
        raise NotImplementedError

    # The kernel that takes what was prepared for all groups, checks it, and runs.
    _kernel: Callable[[list[Any]], None]
    has_kernel = True  # whether that is native: then plans call it without Python

    def _keep(self, params: list[Tensor], work: Any) -> None:
        """Takes over the state after a step: called with what was prepared for a group."""
        raise NotImplementedError

    # Entries that a loaded state must have for each parameter it knows.
    _required: tuple[str, ...] = ()
    # Entries that are a number, as a float64 tensor without dimensions.
    _scalars: tuple[str, ...] = ()

    # ---- use -------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Adds tensors, with settings of their own where the dict has them."""
        if not isinstance(param_group, Mapping):
            raise TypeError(
                f"{type(self).__name__}: expected a dict with 'params', got "
                f"{type(param_group).__name__}"
            )
        if "params" not in param_group:
            raise ValueError(f"{type(self).__name__}: a group of parameters has no 'params'")
        group = {**self.defaults, **param_group}
        params = group["params"]
        group["params"] = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for i, p in enumerate(group["params"]):
            self._check_parameter(i, p)
            if id(p) in known:
                raise ValueError(f"{type(self).__name__}: parameter {i} is there twice")
            known.add(id(p))
        self._check_group(group)
        self.param_groups.append(group)
        state.layouts += 1

    def _check_parameter(self, i: int, p: Any) -> None:
        name = type(self).__name__
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: parameter {i} is no Tensor but a {type(p).__name__}")
        if not p.is_floating_point():
            raise TypeError(f"{name}: parameter {i} is {p.dtype}, expected float32 or float64")
        if not p.is_leaf:
            raise ValueError(
                f"{name}: parameter {i} is no leaf but the result of an op; optimise the tensor "
                "that it was computed from, or detach() it"
            )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Removes the gradients, or sets them to zeros."""
        for group in self.param_groups:
            zero_grads(group["params"], set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Changes every parameter that has a gradient.

        With a `closure` (which computes the loss and its gradients anew), calls it first and
        returns what it gives.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        chosen = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        if state.tracing and (trace := tracer()) is not None:
            trace.step(self, chosen)
        elif (
            state.building
            and (graph := graph_of([[p.grad for p in c] for c in chosen])) is not None
        ):
            graph.run(self.step)
        else:
            self._update(chosen)
        return loss

    def _update(self, chosen: list[list[Tensor]]) -> None:
        """The step itself, over parameters chosen from each group."""
        work = list(map(self._prepare, self.param_groups, chosen))
        self.stepped_by = None
        try:
            self._kernel(work)
        except (TypeError, ValueError) as error:
            raise self._misfit() or error from None
        for params, done in zip(chosen, work, strict=True):
            self._changes_of(done[0]).mark()
            self._keep(params, done)

    def update_cost(self, params: list[Tensor]) -> Cost:
        """The bytes of an update of these: of them and their state read and written, of gradients
        read. Its arithmetic is not counted.
        """
        moved = 0
        for p in params:
            kept = sum([isinstance(x, Tensor) for x in self.state.get(p, {}).values()])
            moved += p._array.nbytes * (3 + 2 * kept)
        return Cost(0, moved)

    def _changes_of(self, arrays: list[Any]) -> Changes:
        """The account of changes of these parameters, by the group's last step."""
        for known, changes in self._changes:
            if len(known) == len(arrays) and all(map(is_, known, arrays)):
                return changes
        changes = changed_together(arrays, self._where)
        self._changes = [*self._changes[-7:], (arrays, changes)]
        return changes

    def count_steps(self, params: list[Tensor]) -> None:
        """Takes account of a step that a plan has made, after one that `_keep` has seen."""
        state = self.state
        for p in params:
            state[p]["step"] += 1

    def _misfit(self) -> Exception | None:
        """Which parameter cannot be updated, and why: called once the kernel has refused."""
        params = [p for group in self.param_groups for p in group["params"]]
        for i, p in enumerate(params):
            which = f"{self._where}: parameter {i}"
            array, grad = p._array, p.grad
            if grad is None:
                continue
            if grad.shape != p.shape:
                return ValueError(f"{which} has shape {p.shape}, its gradient {grad.shape}")
            if grad.dtype != p.dtype:
                return TypeError(f"{which} is {p.dtype}, its gradient {grad.dtype}")
            if not array.flags.writeable:
                return ValueError(f"{which} of shape {p.shape} is read-only")
            if not array.flags.carray:
                return ValueError(
                    f"{which} of shape {p.shape} has strides {p.stride()}: expected contiguous "
                    "memory"
                )
            for name, value in self.state.get(p, {}).items():
                if not isinstance(value, Tensor) or name in self._scalars:
                    continue
                if not _same_layout(array, value._array):
                    return ValueError(
                        f"{which} is {p.dtype} of shape {p.shape}, and its state is not: was the "
                        "parameter changed after the first step?"
                    )
        return None

    # ---- the state -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state by the parameters' numbers, and the groups with numbers for parameters.

        Shares the memory of the optimiser's state.
        """
        numbers = self._numbers()
        return {
            "state": {
                numbers[id(p)]: dict(entries) for p, entries in self.state.items() if entries
            },
            "param_groups": [
                {
                    **{name: value for name, value in group.items() if name != "params"},
                    "params": [numbers[id(p)] for p in group["params"]],
                }
                for group in self.param_groups
            ],
        }

    def _numbers(self) -> dict[int, int]:
        """Parameters are numbered through all groups."""
        params = [p for group in self.param_groups for p in group["params"]]
        return {id(p): i for i, p in enumerate(params)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over a copy of a state, cast to the parameters' dtypes, and the groups' settings.

        Raises ValueError where the groups, the number of parameters or a shape differ; then
        nothing has changed.
        """
        where = f"{type(self).__name__}.load_state_dict"
        try:
            loaded_groups = list(state_dict["param_groups"])
            loaded_state = dict(state_dict["state"])
            numbers = [list(group["params"]) for group in loaded_groups]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{where}: this is no optimiser's state: {error!r}") from None
        sizes = [len(group["params"]) for group in self.param_groups]
        if [len(group) for group in numbers] != sizes:
            raise ValueError(
                f"{where}: groups of {[len(group) for group in numbers]} parameters in the state, "
                f"of {sizes} in the optimiser"
            )
        params = {
            number: p
            for group, loaded in zip(self.param_groups, numbers, strict=True)
            for p, number in zip(group["params"], loaded, strict=True)
        }
        state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        for number, entries in loaded_state.items():
            if number not in params:
                raise ValueError(f"{where}: state of an unknown parameter {number!r}")
            missing = [name for name in self._required if name not in entries]
            if missing:
                raise ValueError(f"{where}: parameter {number} has no {', '.join(missing)}")
            p = params[number]
            state[p] = {
                name: self._loaded(f"{where}: parameter {number}: {name}", name, value, p)
                for name, value in entries.items()
                if value is not None
            }
        groups = []
        for group, loaded in zip(self.param_groups, loaded_groups, strict=True):
            settings = {name: _plain(value) for name, value in loaded.items() if name != "params"}
            groups.append({**self.defaults, **settings, "params": group["params"]})
            self._check_group(groups[-1])
        self.state = state
        self.param_groups = groups

    def _loaded(self, where: str, name: str, value: Any, p: Tensor) -> Any:
        """One entry of a loaded state: a number for "step" and `_scalars`, else an array in the
        parameter's shape.
        """
        array = value._array if isinstance(value, Tensor) else np.asarray(value)
        if name == "step" or name in self._scalars:
            if array.size != 1 or array.dtype.kind not in "iuf":
                raise ValueError(f"{where}: expected a number, got {value!r}")
            return int(array.item()) if name == "step" else wrap(np.full((), float(array.item())))
        if array.shape != p.shape or array.dtype.kind != "f":
            raise ValueError(
                f"{where}: expected floats of shape {p.shape}, got {array.dtype} of shape "
                f"{array.shape}"
            )
        return wrap(np.array(array, dtype=p.dtype, order="C"))

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _plain(value: Any) -> Any:
    """A setting as it was given: files may have turned a tuple into a list."""
    return tuple(value) if isinstance(value, list) else value


def check_at_least_0(optimizer: Optimizer, group: Mapping[str, Any], *names: str) -> None:
    """ValueError unless these settings are finite numbers of at least 0."""
    for name in names:
        try:
            value = float(group[name])
        except (TypeError, ValueError):
            value = math.nan
        if not 0.0 <= value < math.inf:
            raise ValueError(
                f"{type(optimizer).__name__}: expected {name} of at least 0, got {group[name]!r}"
            )
