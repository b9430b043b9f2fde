"""Limited-memory BFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from pyautograd.modes import enable_grad, mark_modified, refuse_in_graph
from pyautograd.optim.line_search import Point, dot, strong_wolfe
from pyautograd.optim.optimizer import Optimizer, check_at_least_0
from pyautograd.tensor import Tensor, wrap


class LBFGS(Optimizer):
    """Steps along an estimate of Newton's direction, made of the last gradients and steps.

    `step(closure)` needs a closure, which computes the loss and its gradients anew, and takes up to
    `max_iter` steps with up to `max_eval` (max_iter * 5 / 4) calls of it. It ends once no gradient
    is above `tolerance_grad`, or no step or change of the loss above `tolerance_change`. The
    estimate has the last `history_size` pairs. Steps have length lr (the very first is shorter), or
    meet the strong Wolfe conditions with `line_search_fn="strong_wolfe"`. One group of parameters,
    all of one dtype. Liu and Nocedal, 1989.

    >>> import pyautograd as ag
    >>> p = ag.tensor([-1.0, 2.0], requires_grad=True)
    >>> optimizer = ag.optim.LBFGS([p], line_search_fn="strong_wolfe")
    >>> def closure():  # Rosenbrock's valley
    ...     optimizer.zero_grad()
    ...     loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(5):
    ...     loss = optimizer.step(closure)
    >>> bool(((p - 1).abs() < 1e-3).all())
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len({p.dtype for p in self._params}) > 1:
            raise TypeError("LBFGS: expected parameters of one dtype")

    def _check_group(self, group: Mapping[str, Any]) -> None:
        if getattr(self, "param_groups", None) and group["params"] is not self._params:
            raise ValueError("LBFGS: expected one group of parameters")
        check_at_least_0(self, group, "lr", "tolerance_grad", "tolerance_change")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: line_search_fn is None or 'strong_wolfe', got {group['line_search_fn']!r}"
            )
        if min(group["max_iter"], group["history_size"]) < 1:
            raise ValueError("LBFGS: expected max_iter and history_size of at least 1")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    # ---- the parameters as one vector ------------------------------------------------------------

    def _gradient(self) -> Any:
        for i, p in enumerate(self._params):
            if p.grad is not None and p.grad.shape != p.shape:
                raise ValueError(
                    f"LBFGS.step: parameter {i} has shape {p.shape}, its gradient {p.grad.shape}"
                )
        grads = [
            np.zeros(p.numel(), p.dtype) if p.grad is None else p.grad._array.reshape(-1)
            for p in self._params
        ]
        return np.concatenate(grads)

    def _values(self) -> Any:
        return np.concatenate([p._array.reshape(-1) for p in self._params])

    def _set(self, values: Any) -> None:
        start = 0
        for p in self._params:
            p._array[...] = values[start : start + p.numel()].reshape(p.shape)
            mark_modified(p._array, self._where)
            start += p.numel()

    # ---- steps -----------------------------------------------------------------------------------

    def _direction(self, memory: dict[str, Any], gradient: Any, size: int) -> Any:
        """Takes the last step into the memory; the direction by its pairs, newest first and back.

        The two-loop recursion.
        """
        change, step = gradient - memory["prev_flat_grad"], memory["d"] * memory["t"]
        dirs, steps, ro = memory["old_dirs"], memory["old_stps"], memory["ro"]
        curve = dot(change, step)
        if curve > 1e-10:
            if len(dirs) == size:
                for old in (dirs, steps, ro):
                    old.pop(0)
            dirs.append(change)
            steps.append(step)
            ro.append(1.0 / curve)
            memory["H_diag"] = curve / dot(change, change)
        d, shares = -gradient, []
        for y, s, r in zip(dirs[::-1], steps[::-1], ro[::-1], strict=True):
            shares.append(dot(s, d) * r)
            d = d - shares[-1] * y
        d = d * memory["H_diag"]
        for y, s, r, share in zip(dirs, steps, ro, shares[::-1], strict=True):
            d = d + (share - dot(y, d) * r) * s
        return d

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to `max_iter` steps; returns the loss before the first."""
        refuse_in_graph("LBFGS.step")
        if closure is None:
            raise TypeError("LBFGS.step: expected a closure that computes loss and gradients anew")
        group = self.param_groups[0]

        def evaluate() -> tuple[Any, Any]:
            with enable_grad():
                loss = closure()
            return loss, self._gradient()

        memory = self.state[self._params[0]]
        first_loss, gradient = evaluate()
        loss, evaluations = float(first_loss), 1
        memory["func_evals"] = memory.get("func_evals", 0) + 1
        if np.abs(gradient).max(initial=0.0) <= group["tolerance_grad"]:
            return first_loss
        for turn in range(1, group["max_iter"] + 1):
            memory["n_iter"] = memory.get("n_iter", 0) + 1
            t = float(group["lr"])
            if memory["n_iter"] == 1:
                d = -gradient
                t *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
                memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            else:
                d = self._direction(memory, gradient, group["history_size"])
            before = loss
            slope = dot(gradient, d)
            memory.update(d=d, t=t, prev_flat_grad=gradient, prev_loss=loss)
            if slope > -group["tolerance_change"]:
                break
            start, calls = self._values(), 0
            if group["line_search_fn"] is not None:

                def along(t: float, start: Any = start, d: Any = d) -> tuple[float, Any]:
                    self._set(start + t * d)
                    loss, gradient = evaluate()
                    return float(loss), gradient

                here = Point(0.0, loss, gradient, slope)
                found, calls = strong_wolfe(along, here, t, d, group["tolerance_change"])
                t, loss, gradient = found.at, found.value, found.gradient
                self._set(start + t * d)
            else:
                self._set(start + t * d)
                if turn < group["max_iter"]:  # else the next call computes it
                    value, gradient = evaluate()
                    loss, calls = float(value), 1
            memory["t"] = t
            evaluations += calls
            memory["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or np.abs(gradient).max() <= group["tolerance_grad"]
                or np.abs(d * t).max() <= group["tolerance_change"]
                or abs(loss - before) < group["tolerance_change"]
            ):
                break
        return first_loss

    # ---- the state -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """As of every optimiser; vectors of all parameters are tensors, under parameter 0."""
        state = super().state_dict()
        for number, entries in state["state"].items():
            state["state"][number] = {name: _shown(value) for name, value in entries.items()}
        return state

    def _loaded(self, where: str, name: str, value: Any, p: Tensor) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._loaded(where, name, x, p) for x in value if x is not None]
        array = np.asarray(value._array if isinstance(value, Tensor) else value)
        total = sum(q.numel() for q in self._params)
        if array.dtype.kind not in "iuf" or array.shape not in ((), (total,)):
            raise ValueError(
                f"{where}: expected a number or floats of shape ({total},), got {array.dtype} of "
                f"shape {array.shape}"
            )
        return array.astype(p.dtype) if array.ndim else array.item()


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(x) for x in value]
    return wrap(value) if isinstance(value, np.ndarray) else value
