"""Recomputation: backward computes again what is cheap, so that it need not be kept until then.

After Chen et al., "Training deep nets with sublinear memory cost", 2016, but for results of light
ops alone, whose operands are still there: a batch norm's affine part, a sum, a ReLU. Each costs a
pass over memory.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from pyautograd import _C, modes
from pyautograd.op import OPS, Op
from pyautograd.static.graph import Call, Graph, Value, is_view

LIGHT = frozenset(
    ("abs", "add", "leaky_relu", "maximum", "minimum", "mul", "neg", "relu", "relu6", "sub")
)
LEAST = 4 << 20  # bytes of a peak worth the work: less lies in a cache anyway
SMALL = 64  # how many times smaller than a result an operand is that may be kept for it
MOST_CALLS = 6  # for one result
MOST_CANDIDATES = 64  # the largest


def recompute(graph: Graph) -> str:
    """Chooses results one by one, while the most that is held at any time gets less."""
    memory = _Memory(graph)
    before = int(memory.held.max(initial=0))
    if before < LEAST:
        return "recomputation: nothing, as little memory is needed"
    chosen = _choose(memory)
    if chosen.needs:
        graph.calls = _Rewriter(memory, chosen).calls(graph)
    return (
        f"recomputation: {len(chosen.needs)} results computed again in backward, for about "
        f"{int(chosen.held.max()):,} bytes instead of {before:,}"
    )


class _Choice:
    """Results that are dropped until backward, and what is held at each call then."""

    def __init__(self, held: Any) -> None:
        self.held = held
        self.begin: dict[Value, int] = {}  # the call before which each is computed again
        self.needs: dict[Value, list[Value]] = {}  # what it is made of

    @property
    def peak(self) -> int:
        return int(self.held.max())


def _choose(memory: _Memory) -> _Choice:
    chosen = _Choice(memory.held)
    while True:
        before = chosen.peak
        chosen = _drop_more(memory, chosen)
        # Where results of a chain are all there again at once, some are better kept.
        for x in sorted(chosen.needs, key=lambda x: memory.made[x]):
            fewer = memory.without(chosen.needs.keys() - {x})
            if fewer is not None and fewer.peak <= chosen.peak:
                chosen = fewer
        if chosen.peak >= before:
            return chosen


def _drop_more(memory: _Memory, chosen: _Choice) -> _Choice:
    """Drops what is best dropped where most is held, while that helps."""
    more: _Choice | None = chosen
    while more is not None:
        chosen, top = more, int(more.held.argmax())
        trials = (
            memory.without(chosen.needs.keys() | {x})
            for x in memory.candidates
            if x not in chosen.needs and memory.last_forward[x] < top < memory.first_backward[x]
        )
        more = next(
            (
                trial
                for trial in trials
                if trial is not None
                and trial.held[top] < chosen.held[top]
                and trial.peak <= chosen.peak
            ),
            None,
        )
    return chosen


class _Memory:
    """When the results of a graph's calls are needed, and what is held at each call."""

    def __init__(self, graph: Graph) -> None:
        self._sources = graph.memory()
        self._writes = [
            (i, None if call.name == "optimizer" else modes.owner(call.operands[0].source))
            for i, call in enumerate(graph.calls)
            if call.has_effect
        ]
        self.root: dict[Value, Value] = {}  # of views
        self.made: dict[Value, int] = {}
        self._last: dict[Value, int] = {}
        self.last_forward: dict[Value, int] = {}
        self.first_backward: dict[Value, int] = {}
        for i, call in enumerate(graph.calls):
            self._note(i, call)
        kept = {self.root.get(y, y) for y in graph.results}
        self._last.update(dict.fromkeys(kept, len(graph.calls) - 1))
        self.held = np.zeros(len(graph.calls), np.int64)
        for x, first in self.made.items():
            self.held[first : self._last[x] + 1] += x.nbytes
        for i, call in enumerate(graph.calls):
            if call.name in _C.opcodes and self._works_in_place(i, call):
                self.held[i] -= call.outputs[0].nbytes
        found = [x for x in self.first_backward if x not in kept and self._is_candidate(x)]
        self.candidates = sorted(found, key=lambda x: -x.nbytes)[:MOST_CANDIDATES]

    def _note(self, i: int, call: Call) -> None:
        if is_view(call):
            x = call.operands[0]
            self.root[call.outputs[0]] = self.root.get(x, x)
            return
        for y in call.outputs:
            self.made[y] = self._last[y] = self.last_forward[y] = i
        for x in call.values():
            x = self.root.get(x, x)
            self._last[x] = i
            if not call.backward:
                self.last_forward[x] = i
            else:
                self.first_backward.setdefault(x, i)

    def _works_in_place(self, i: int, call: Call) -> bool:
        """Whether an element-wise call can write over an operand that nothing reads after it."""
        roots = [self.root.get(x, x) for x in call.values()]
        size = call.outputs[0].nbytes
        return any(x in self.made and self._last[x] == i and x.nbytes == size for x in roots)

    def _is_candidate(self, x: Value) -> bool:
        call = x.call
        return (
            call is not None
            and not call.backward
            and self.first_backward[x] > self.last_forward[x] + 1
            and self._is_light(call, x)
        )

    def _is_light(self, call: Call, x: Value) -> bool:
        if call.by_python or x.dtype.kind != "f":
            return False
        # Of `normalize`, only statistics by channel: attrs are view, groups, eps, centred.
        batch_norm = call.name == "normalize" and call.attrs[1] == 0 and x is call.outputs[0]
        return batch_norm or call.name in LIGHT

    def without(self, dropped: Collection[Value]) -> _Choice | None:
        """What is held without these results; None where one cannot be computed again."""
        chosen = _Choice(self.held.copy())
        last = dict(self._last)
        for x in sorted(dropped, key=lambda x: -self.made[x]):  # first what is made of others
            users = [chosen.begin[y] for y, needs in chosen.needs.items() if x in needs]
            at = min([self.first_backward[x], *users])
            needs = self._made_of(x, at, dropped, last)
            if needs is None:
                return None
            chosen.held[self.last_forward[x] + 1 : at] -= x.nbytes
            chosen.begin[x], chosen.needs[x] = at, needs
            for y in needs:
                if y not in dropped and last.get(y, at) < at:
                    chosen.held[last[y] + 1 : at + 1] += y.nbytes
                    last[y] = at
        return chosen

    def _made_of(
        self, x: Value, at: int, dropped: Collection[Value], last: dict[Value, int]
    ) -> list[Value] | None:
        """The results that are needed to compute x before a call; None where that is not cheap."""
        needs: list[Value] = []
        rest, count = [x], 0
        while rest:
            call = rest.pop().call
            count += 1
            if call is None or count > MOST_CALLS:
                return None
            for operand in again(call)[0]:
                if not isinstance(operand, Value):
                    continue
                y = self.root.get(operand, operand)
                if operand in self._sources:
                    if self._is_written(operand, self.made[x], at):
                        return None
                elif y not in self.made:  # an input, or random numbers
                    continue
                elif y in dropped or last[y] >= at or y.nbytes * SMALL <= x.nbytes:
                    needs.append(y)
                elif y is operand and y.call is not None and self._is_light(y.call, y):
                    rest.append(y)
                else:
                    return None
        return needs

    def _is_written(self, x: Value, begin: int, end: int) -> bool:
        owner = self._sources[x]
        return any(begin < i < end and (o is None or o is owner) for i, o in self._writes)


def again(call: Call) -> tuple[list[Any], Op | None, tuple[Any, ...]]:
    """Operands, op and attributes of the call that computes the first result of another again."""
    if call.name != "normalize":
        return call.operands, call.op, call.attrs
    view, _, eps, centred = call.attrs
    return [*call.operands, *call.outputs[1:]], OPS["normalize_as"], (view, eps, centred)


class _Rewriter:
    """Makes the calls that compute again, and lets backward read what these compute."""

    def __init__(self, memory: _Memory, chosen: _Choice) -> None:
        self._root = memory.root
        self._chosen = chosen
        self._new: dict[Value, Value] = {}
        self._calls: list[Call] = []
        self._due: dict[int, list[Value]] = {}
        for x in sorted(chosen.begin, key=lambda x: memory.made[x]):
            self._due.setdefault(chosen.begin[x], []).append(x)

    def calls(self, graph: Graph) -> list[Call]:
        for i, call in enumerate(graph.calls):
            for x in self._due.get(i, ()):
                local: dict[Value, Value] = {}
                for step in self._steps(x):
                    local[step.outputs[0]] = self._emit(step, local)
                self._new[x] = local[x]
            call.operands = list(map(self._instead, call.operands))
            self._calls.append(call)
        return self._calls

    def _steps(self, x: Value) -> list[Call]:
        """The calls that compute x again, in their order."""
        found: dict[Call, None] = {}
        needs = set(self._chosen.needs[x])

        def visit(y: Value) -> None:
            assert y.call is not None
            for operand in again(y.call)[0]:
                made = isinstance(operand, Value) and operand.call is not None
                if made and self._root.get(operand, operand) not in needs:
                    visit(operand)
            found[y.call] = None

        visit(x)
        return list(found)

    def _emit(self, call: Call, local: dict[Value, Value]) -> Value:
        operands, op, attrs = again(call)
        made = call.copy([local[x] if x in local else self._instead(x) for x in operands], attrs)
        made.op, made.backward = op, True
        if op is not None:
            made.name = op.name
        made.outputs = [Value(call.outputs[0].shape, call.outputs[0].dtype, made)]
        self._calls.append(made)
        return made.outputs[0]

    def _instead(self, x: Any) -> Any:
        """What stands for an operand: after it was computed again, that."""
        if not isinstance(x, Value) or self._root.get(x, x) not in self._new:
            return x
        if x not in self._new:  # another view of what is there
            assert x.call is not None
            self._new[x] = self._emit(x.call, {})
        return self._new[x]
