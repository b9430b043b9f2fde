"""Where values lie in the arena of a plan, each from its first writer to its last reader."""

from __future__ import annotations

from pyautograd.static.step import Buffer, Step

_ALIGNMENT = 64


def work_in_place(at: int, step: Step) -> None:
    """Lets results of a program take the memory of operands that nothing reads after it."""
    roots = [x.buffer.root for x in step.inputs if x is not None]
    for k, y in enumerate(step.outputs):
        for j, x in enumerate(step.inputs):
            if x is None or y.buffer.slot or y.buffer.shared is not None:
                continue
            root = x.buffer.root
            if (
                root.slot == 0
                and root.last == at
                and roots.count(root) == 1
                and step.may_overwrite(k, j)
                and x.layout.strides == y.layout.strides
                and x.layout.nbytes == y.layout.nbytes == root.memory.nbytes
            ):
                y.buffer.shared = root
                root.last = max(root.last, y.buffer.last)
                roots.append(root)


def lay_out(buffers: list[Buffer]) -> int:
    """Gives buffers places in the arena, the largest first; its size in bytes.

    Two share memory only if no step needs both.
    """
    placed: list[Buffer] = []
    total = 0
    for buffer in sorted(buffers, key=lambda b: -b.memory.nbytes):
        size = _rounded(buffer.memory.nbytes)
        at = 0
        rivals = [b for b in placed if b.first <= buffer.last and buffer.first <= b.last]
        for rival in sorted(rivals, key=lambda b: b.at):
            if at + size <= rival.at:
                break
            at = max(at, rival.at + _rounded(rival.memory.nbytes))
        buffer.at = at
        placed.append(buffer)
        total = max(total, at + size)
    return total


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
