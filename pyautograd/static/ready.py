"""What a plan need not compute in each run: what follows from memory that changes seldom.

The parameters and buffers of a network in `eval` are such memory: the scale and shift of its batch
norms, and the forms that kernels make of weights, are computed in the first run and kept. They are
computed again when an op, an optimiser or `load_state_dict` has changed what they follow from.
Arrays that were handed out (`numpy()`, DLPack, `from_numpy`) can change without a trace: what
follows from these is computed in each run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.modes import state
from pyautograd.static.graph import Call, Graph, Value
from pyautograd.static.notes import StepNote, note_of
from pyautograd.static.step import Buffer, Home, Step


class Ready:
    """The steps of a plan whose results are kept from run to run, while it is made.

    They come first: calls that give the same in every run while memory of the program is the same,
    and what kernels make of weights that stay the same. In a training step there are none: it
    changes what its calls read.

    placed: values that are computed right where each run wants them anew.
    """

    def __init__(self, graph: Graph, placed: dict[Value, Any]) -> None:
        self.calls: dict[Call, None] = {}
        self.steps: list[Step] = []
        self.notes: list[StepNote] = []
        self._values: set[Value] = set()  # that stay the same
        if any(call.backward or call.name == "optimizer" for call in graph.calls):
            return
        changed = {id(modes.owner(c.operands[0].source)) for c in graph.calls if c.name == "write"}
        watched = {id(modes.owner(array)) for array in graph.watched} - changed
        for call in graph.calls:
            operands = list(call.values())
            for x in operands:
                if isinstance(x.source, np.ndarray) and id(modes.owner(x.source)) in watched:
                    self._values.add(x)
            if call.has_effect or not operands or not self._values.issuperset(operands):
                continue
            if placed.keys().isdisjoint(call.outputs):
                self.calls[call] = None
                self._values.update(call.outputs)

    def hand_weights(self, step: Step, call: Call, lowering: Any) -> None:
        """Hands a kernel its weights in the form that it would make of them in each run."""
        x, weights, *_ = step.inputs
        y, source = step.outputs[0], call.operands[1]
        if source not in self._values or call in self.calls:
            return
        if weights is not lowering.home(source):
            return  # a copy is made in each run
        form, size = _C.plan_ready(step.name, *step.described())
        if not size:
            return
        made = lowering.new((size,), y.layout.dtype)
        operands = [_apart(x), weights, _apart(y)]  # of x and y the layouts alone
        ints = [*step.ints, form]
        self.steps.append(Step(f"{step.name}_weights", operands, [made], ints, []))
        self.notes.append(note_of(self.steps[-1], call))
        step.inputs.append(made)
        step.ints = ints


def _apart(x: Any) -> Home:
    """A home of that layout which takes no part in the plan."""
    return Home(Buffer(x.layout), x.layout)


class Watch:
    """Tells whether memory that a plan has computed something from still holds the same.

    >>> import pyautograd as ag
    >>> x = ag.zeros(2)
    >>> watch = Watch([x._array])
    >>> watch.holds()  # nothing is computed yet
    False
    >>> watch.computed()
    >>> watch.holds()
    True
    >>> _ = x.add_(1.0)
    >>> watch.holds()
    False
    >>> _ = x.numpy()  # from now on it may change, and nothing will tell
    >>> watch.computed()
    >>> watch.holds()
    False
    """

    def __init__(self, arrays: list[Any]) -> None:
        self._owners = {id(owner): owner for owner in map(modes.owner, arrays)}
        # Memory that NumPy does not own came from outside.
        self._private = all(owner.base is None for owner in self._owners.values())
        self._held = False  # whether something is computed from what is there
        self._clock = -1  # readings of the state when it was last looked at
        self._lent: Any = None

    def holds(self) -> bool:
        """Whether what was computed is that of the memory as it is now."""
        if self._held and state.clock == self._clock and state.lent is self._lent:
            return True
        return self._private and self._look()

    def computed(self) -> None:
        """Called when it has been computed, after `holds` was asked."""
        self._held = self._private

    def _look(self) -> bool:
        with modes.lock:  # changes are noted in more than one place
            clock, lent = state.clock, state.lent
            self._private = not any(map(_C.is_lent, self._owners.values()))
            if not self._private or modes.any_modified_since(self._owners, self._clock):
                self._held = False
            self._clock, self._lent = clock, lent
        return self._held
