"""The passes over a graph, in their order. Each is a function that changes a graph and says how."""

from __future__ import annotations

from collections.abc import Callable

from pyautograd.static.graph import Graph
from pyautograd.static.passes.casts import cast_operands
from pyautograd.static.passes.common import share_common
from pyautograd.static.passes.dead import drop_dead
from pyautograd.static.passes.epilogue import give_epilogues
from pyautograd.static.passes.fold import fold_constants
from pyautograd.static.passes.fuse import fuse
from pyautograd.static.passes.identities import simplify
from pyautograd.static.passes.parts import join_parts
from pyautograd.static.passes.recompute import recompute
from pyautograd.static.passes.sums import sum_programs

PASSES: tuple[Callable[[Graph], str], ...] = (
    drop_dead,
    fold_constants,
    simplify,
    cast_operands,
    share_common,
    join_parts,
    drop_dead,
    recompute,
    fuse,
    give_epilogues,
    sum_programs,
)
