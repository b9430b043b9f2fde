"""The verifier finds what a pass may break; test_static.py runs it after each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from static_networks import NETWORKS, OPTIMIZERS, training_step, verify_passes

import pyautograd as ag
from pyautograd import _C
from pyautograd.static.graph import Graph, Value
from pyautograd.static.passes.fuse import fuse
from pyautograd.static.program import Program
from pyautograd.static.verify import VerificationError, Verifier


def graph() -> Graph:
    """Reads w, writes it, reads it again."""
    w = ag.ones(3)

    def f(x: ag.Tensor) -> ag.Tensor:
        y = (x * w).exp()
        w.add_(1.0)
        return y + w.reshape(1, 3)

    x = ag.ones(2, 3)
    return Program(f, (x,), {}, [x], ()).graphs[0]


def call(g: Graph, name: str) -> Any:
    return next(c for c in g.calls if c.name == name)


def swap(g: Graph, a: str, b: str) -> None:
    i, j = g.calls.index(call(g, a)), g.calls.index(call(g, b))
    g.calls[i], g.calls[j] = g.calls[j], g.calls[i]


BREAKS: dict[str, tuple[Callable[[Graph], Any], str]] = {
    "order": (lambda g: swap(g, "mul", "exp"), "exp reads .*, not computed yet"),
    "gone": (lambda g: g.calls.remove(call(g, "mul")), "not computed yet"),
    "twice": (lambda g: g.calls.append(call(g, "exp")), "once more"),
    "result gone": (lambda g: g.results.append(Value((1,), np.float32)), "is not computed"),
    "input gone": (lambda g: g.inputs.clear(), "not computed yet"),
    "shape": (lambda g: setattr(call(g, "exp").outputs[0], "shape", (3, 2)), "the graph has"),
    "dtype": (lambda g: setattr(call(g, "mul").outputs[0], "dtype", np.dtype(np.float64)), "gives"),
    "write gone": (lambda g: g.calls.remove(call(g, "write")), "changes of memory"),
    "write to another": (
        lambda g: setattr(call(g, "write").operands[0], "source", np.zeros(3, np.float32)),
        "changes of memory",
    ),
    "write of another shape": (
        lambda g: call(g, "write").operands.__setitem__(1, g.inputs[0]), "does not fit",
    ),
    "read before the write": (lambda g: swap(g, "write", "reshape"), "other side of a write"),
    "maker": (lambda g: setattr(call(g, "exp").outputs[0], "call", None), "does not know"),
}  # fmt: skip


def program() -> Graph:
    """One fused program, of floats, a mask and what is chosen by it."""
    x = ag.ones(2, 3)
    found = Program(lambda x: ag.where(x > 0, x, x * 2.0), (x,), {}, [x], ()).graphs[0]
    fuse(found)
    return found


# Of its instructions, which integer becomes what.
PROGRAM_BREAKS: dict[str, tuple[int, int, int, str]] = {
    "no opcode": (0, 0, 999, "reads what it has not yet"),
    "dtype": (0, 1, _C.dtypes["float64"], "mistakes a dtype"),
    "a mask as numbers": (1, 3, 4, "mistakes a dtype"),
    "no register": (2, 4, 33, "reads what it has not yet"),
    "no result": (2, 2, 33, "does not compute"),
}


@pytest.mark.parametrize("name", PROGRAM_BREAKS)
def test_what_is_broken_in_a_program_is_found(name: str) -> None:
    found = program()
    Verifier(found).check("nothing")
    (fused,) = found.calls
    names, code, constants = fused.attrs
    assert names == ("gt", "mul", "where")
    instruction, place, value, message = PROGRAM_BREAKS[name]
    broken = [list(c) for c in code]
    broken[instruction][place] = value
    fused.attrs = names, tuple(map(tuple, broken)), constants
    with pytest.raises(VerificationError, match=message):
        Verifier(found).check("damage")


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_found(name: str) -> None:
    found = graph()
    verifier = Verifier(found)
    verifier.check("nothing")
    damage, message = BREAKS[name]
    damage(found)
    with pytest.raises(VerificationError, match=message) as caught:
        verifier.check("damage")
    assert str(caught.value).startswith("after damage: ")


def test_programs_are_looked_into() -> None:
    from pyautograd.static.passes.fuse import fuse

    found = Program(lambda x: (x * 2.0 + 1.0).tanh(), (ag.ones(3),), {}, [ag.ones(3)], ()).graphs[0]
    verifier = Verifier(found)
    fuse(found)
    verifier.check("fusion")
    (fused,) = found.calls
    names, code, constants = fused.attrs
    fused.attrs = (names, code[::-1], constants)
    with pytest.raises(VerificationError, match="reads what it has not yet"):
        verifier.check("fusion")


@pytest.mark.parametrize("name", NETWORKS)
def test_training_steps_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_passes(monkeypatch)
    make, batch = NETWORKS[name]
    model = make()
    step = ag.compile(training_step(model, OPTIMIZERS["adam"](model.parameters())))
    step(*batch(4))
    compiled = ag.compile(model)
    compiled(batch(4)[0]).sum().backward()
