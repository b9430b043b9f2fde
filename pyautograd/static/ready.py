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

from pyautograd import modes
from pyautograd.modes import state
from pyautograd.static.graph import Call, Graph, Value


def lasting(graph: Graph, placed: dict[Value, Any]) -> tuple[list[Call], set[Value]]:
    """The calls that give the same in every run while memory of the program is the same.

    And the values that they read and give. placed: values that are computed right where each run
    wants them anew. None in a training step: it changes what its calls read.
    """
    calls: list[Call] = []
    values: set[Value] = set()
    if any(call.backward or call.name == "optimizer" for call in graph.calls):
        return calls, values
    changed = {id(modes.owner(c.operands[0].source)) for c in graph.calls if c.name == "write"}
    watched = {id(modes.owner(array)) for array in graph.watched} - changed
    for call in graph.calls:
        operands = list(call.values())
        values.update(
            x for x in operands
            if isinstance(x.source, np.ndarray) and id(modes.owner(x.source)) in watched
        )  # fmt: skip
        if call.has_effect or not operands or not values.issuperset(operands):
            continue
        if placed.keys().isdisjoint(call.outputs):
            calls.append(call)
            values.update(call.outputs)
    return calls, values


class Watch:
    """Tells whether memory that a plan has computed something from still holds the same.

    >>> import pyautograd as ag
    >>> x = ag.zeros(2)
    >>> watch = Watch([x._array])
    >>> watch.holds(), watch.holds()  # the first time nothing is computed yet
    (False, True)
    >>> _ = x.add_(1.0)
    >>> watch.holds(), watch.holds()
    (False, True)
    >>> _ = x.numpy()
    >>> watch.holds(), watch.holds()
    (False, False)
    """

    def __init__(self, arrays: list[Any]) -> None:
        self._owners = {id(owner): owner for owner in map(modes.owner, arrays)}
        self._clock = self._lent = -1  # readings of the state when it was looked at
        self._held = False  # whether something is computed from what was there then
        # Memory that NumPy does not own came from outside.
        self._private = all(owner.base is None for owner in self._owners.values())

    def holds(self) -> bool:
        """Whether nothing has changed since the last call; if not, compute it now."""
        if self._held and state.clock == self._clock and state.lent == self._lent:
            return True
        return self._private and self._look()

    def forget(self) -> None:
        """Called where it could not be computed."""
        self._held = False

    def _look(self) -> bool:
        with modes.lock:  # changes are noted in more than one place
            self._private = not modes.any_lent(self._owners)
            held = self._held and not modes.any_modified_since(self._owners, self._clock)
            self._clock, self._lent = state.clock, state.lent
        self._held = self._private
        return held and self._private
