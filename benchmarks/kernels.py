"""The kernels beside PyTorch's, NumPy's and what the machine can do.

    python benchmarks/kernels.py --short
    python benchmarks/kernels.py --threads 2 --group pool --picture pool.svg
    PYAUTOGRAD_ISA=avx2 python benchmarks/kernels.py --only tanh

Each row is timed forward alone, and forward with backward. A ratio above 1 says how many times
faster pyautograd is. "limit" is a program that does nothing but the row's arithmetic, in registers,
or nothing but copy as many bytes as the row has to read and write, whichever takes longer; its
share is what pyautograd reaches of that. It runs in turn with the others, with as many threads and
the same instruction set.
"""

from __future__ import annotations

import json
import math
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import arrays
import numpy as np
import rows
import turns

GRADIENT = " +grad"  # ends the name of a row with backward


def float_inputs(inputs: list[Any]) -> list[int]:
    return [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]


def cost(row: rows.Row, gradient: bool) -> rows.Cost:
    if not gradient or row.backward is None:
        return row.forward
    return rows.Cost(*(a + b for a, b in zip(row.forward, row.backward, strict=True)))


def tensor_work(lib: Any, row: rows.Row, inputs: list[Any], gradient: bool) -> turns.Work:
    """The program in PyTorch or here."""
    tensors = [lib.from_numpy(x) for x in inputs]
    if not gradient:
        return lambda: row.run(lib, *tensors)
    leaves = [tensors[i].requires_grad_() for i in float_inputs(inputs)]
    g = lib.ones_like(row.run(lib, *tensors).detach())

    def work() -> None:
        for leaf in leaves:
            leaf.grad = None
        row.run(lib, *tensors).backward(g)

    return work


def array_work(row: rows.Row, inputs: list[Any], gradient: bool) -> turns.Work | None:
    """The program in NumPy, where there is one."""
    if not row.reference:
        return None
    name, *arguments = row.reference
    forward, backward = getattr(arrays, name)(*arguments)
    if not gradient:
        return lambda: forward(*inputs)
    if backward is None:
        return None
    g = np.ones_like(forward(*inputs))
    return lambda: backward(g, forward(*inputs), *inputs)


def limit_work(row: rows.Row, inputs: list[Any], gradient: bool) -> turns.Work:
    """The machine's own limit."""
    from pyautograd import _C

    need = cost(row, gradient)
    single = inputs[float_inputs(inputs)[0]].dtype == np.float32
    source = np.ones(max(1, int(need.bytes) // 2), np.uint8)
    to = np.zeros_like(source)

    def compute() -> None:
        _C.run_fma(int(need.operations), single)

    def copy() -> None:
        _C.copy_bytes(to, source)

    return max(compute, copy, key=turns.one_round)


def rows_of(side: str) -> Mapping[str, turns.Row]:
    lib: Any = None
    if side == "torch":
        import torch as lib
    elif side == "pyautograd":
        import pyautograd as lib

    def start(row: rows.Row, gradient: bool) -> turns.Work:
        inputs = row.inputs(np.random.default_rng(0))
        if side == "limit":
            return limit_work(row, inputs, gradient)
        if side == "numpy":
            return array_work(row, inputs, gradient) or turns.no_such_program
        return tensor_work(lib, row, inputs, gradient)

    return {
        name: lambda row=row, gradient=gradient: start(row, gradient)  # type: ignore[misc]
        for name, (row, gradient) in programs().items()
    }


def programs() -> dict[str, tuple[rows.Row, bool]]:
    """Row and whether with backward, by name."""
    found = {}
    for row in rows.all_rows():
        found[f"{row.group}: {row.name}"] = row, False
        if row.backward is not None:
            found[f"{row.group}: {row.name}{GRADIENT}"] = row, True
    return found


# ---- results -------------------------------------------------------------------------------------


def results(best: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """One record a row that ran here: seconds by side, what the row needs, ratios and share."""
    known, found = programs(), []
    for name, seconds in best.items():
        ours = seconds["pyautograd"]
        if ours == math.inf:  # an op that is not there (yet)
            continue
        row, gradient = known[name]
        need = cost(row, gradient)
        peers = {side: s for side, s in seconds.items() if s < math.inf}
        found.append(
            {
                "group": row.group,
                "row": name.split(": ", 1)[1],
                "gradient": gradient,
                "operations": need.operations,
                "bytes": need.bytes,
                "seconds": peers,
                "ratio": {
                    side: s / ours
                    for side, s in peers.items()
                    if side not in ("pyautograd", "limit")
                },
                "share": seconds["limit"] / ours,
            }
        )
    return found


def rate(record: Mapping[str, Any]) -> str:
    """GFLOP/s where arithmetic counts, GB/s elsewhere."""
    seconds = record["seconds"]["pyautograd"]
    if record["group"] in ("matmul", "conv"):
        return f"{record['operations'] / seconds / 1e9:.1f} GFLOP/s"
    return f"{record['bytes'] / seconds / 1e9:.1f} GB/s"


def summary(records: list[dict[str, Any]], peer: str) -> Iterator[list[str]]:
    """Geometric mean and floor of each group."""
    for group in rows.GROUPS:
        for gradient in (False, True):
            ratios = {
                r["row"]: r["ratio"][peer]
                for r in records
                if r["group"] == group and r["gradient"] == gradient and peer in r["ratio"]
            }
            if not ratios:
                continue
            mean = math.exp(math.fsum(map(math.log, ratios.values())) / len(ratios))
            lowest = min(ratios, key=ratios.__getitem__)
            yield [
                f"{group}, {'with backward' if gradient else 'forward'}",
                f"{mean:.2f}x",
                f"{ratios[lowest]:.2f}x",
                lowest,
            ]


def report(records: list[dict[str, Any]], peers: list[str], machine: str) -> str:
    lines = []
    for r in records:
        seconds = r["seconds"]
        line = [f"{r['group']}: {r['row']}", f"{seconds['pyautograd'] * 1e6:.1f}", rate(r)]
        line.append(f"{r['share']:.0%}")
        for peer in peers:
            there = peer in seconds
            line += [f"{seconds[peer] * 1e6:.1f}" if there else "-"]
            line += [f"{r['ratio'][peer]:.2f}x" if there else "-"]
        lines.append(line)
    head = ["row", "us", "rate", "of limit"]
    for peer in peers:
        head += [peer, "ratio"]
    parts = [machine, turns.table(head, lines)]
    for peer in peers:
        totals = list(summary(records, peer))
        parts.append(turns.table([f"beside {peer}", "mean", "lowest", "its row"], totals))
    return "\n\n".join(parts)


def machine(threads: int) -> str:
    """The processor, threads and instruction set of a run."""
    from pyautograd import _C

    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name}, threads: {threads}, {_C.isa()}"


def main() -> None:
    parser = turns.parser(__doc__ or "")
    parser.add_argument("--group", choices=list(rows.GROUPS), help="rows of one group")
    parser.add_argument("--short", action="store_true", help="some rows of each group")
    parser.add_argument("--picture", metavar="FILE", help="draw the rows (needs matplotlib)")
    args = parser.parse_args()
    if args.side:
        turns.serve(args.side, args.threads, rows_of(args.side))
        return
    chosen = [
        name
        for name, (row, _) in programs().items()
        if args.only in name and (not args.short or row.short) and args.group in (None, row.group)
    ]
    peers = [peer for peer in ("torch", "numpy") if turns.installed(peer)]
    sides = ["pyautograd", "limit", *peers]
    records = results(turns.measure(sides, chosen, args.threads, 3 if args.short else args.rounds))
    where = machine(args.threads)
    if args.json:
        Path(args.json).write_text(json.dumps({"machine": where, "rows": records}, indent=1))
    if args.picture:
        import roofline

        roofline.draw(records, where, args.picture)
    print(report(records, peers, where))


if __name__ == "__main__":
    main()
