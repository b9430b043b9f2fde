"""Draws the results of kernels.py against the machine's limits and PyTorch.

    python benchmarks/kernels.py --json results.json
    python benchmarks/roofline.py results.json picture.svg

Left, the roofline: operations a second over operations a byte, under the roof of copying and
arithmetic. Right, every row as its share of the limit that binds it, which stands at 100%: a filled
dot for pyautograd, a ring for PyTorch (or NumPy, where PyTorch did not run).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

OURS, PEER, LIMIT = "#1f5fa8", "#c8442c", "#555555"


def peer_of(records: list[dict[str, Any]]) -> str:
    return "torch" if any("torch" in r["seconds"] for r in records) else "numpy"


def draw_roofline(axes: Any, records: list[dict[str, Any]], peer: str) -> None:
    import numpy as np

    limits = [(r, r["seconds"]["limit"]) for r in records]
    peak = max(r["operations"] / seconds for r, seconds in limits) / 1e9
    large = [(r, seconds) for r, seconds in limits if r["bytes"] > 16e6] or limits
    # A row's limit is the slower of the two, so the fastest of many shows each roof.
    bandwidth = max(r["bytes"] / seconds for r, seconds in large) / 1e9
    intensity = np.array([r["operations"] / r["bytes"] for r in records])
    x = np.geomspace(intensity.min() / 2, intensity.max() * 2, 200)
    axes.plot(x, np.minimum(peak, bandwidth * x), color=LIMIT, label="limit")
    axes.annotate(f"{peak:.0f} GFLOP/s", (x[-1], peak), ha="right", va="bottom", color=LIMIT)
    axes.annotate(f"{bandwidth:.0f} GB/s, memory", (x[0], bandwidth * x[0]), va="bottom",
                  color=LIMIT, rotation=0)  # fmt: skip
    for r, at in zip(records, intensity, strict=True):
        rates = {side: r["operations"] / s / 1e9 for side, s in r["seconds"].items()}
        if peer in rates:
            axes.plot([at, at], [rates[peer], rates["pyautograd"]], color="#bbbbbb", lw=0.8)
            axes.plot(at, rates[peer], "o", mfc="none", color=PEER, ms=4)
        axes.plot(at, rates["pyautograd"], "o", color=OURS, ms=4)
    axes.set(xscale="log", yscale="log", xlabel="operations a byte", ylabel="GFLOP/s")
    axes.set_title("Roofline (caches lie above the line of memory)")


def draw_shares(axes: Any, records: list[dict[str, Any]], peer: str) -> None:
    places = range(len(records))
    for y, r in zip(places, records, strict=True):
        if peer in r["ratio"]:
            theirs = r["share"] / r["ratio"][peer]
            axes.plot([theirs, r["share"]], [y, y], color="#bbbbbb", lw=0.8, zorder=1)
            axes.plot(theirs, y, "o", mfc="none", color=PEER, ms=4,
                      label=None if y else peer)  # fmt: skip
        axes.plot(r["share"], y, "o", color=OURS, ms=4, label=None if y else "pyautograd")
    axes.axvline(1, color=LIMIT)
    axes.set(xscale="log", xlabel="share of the limit", ylim=(len(records), -1))
    axes.set_yticks(list(places), [f"{r['group']}: {r['row']}" for r in records], fontsize=6)
    axes.set_xticks([0.01, 0.03, 0.1, 0.3, 1], ["1%", "3%", "10%", "30%", "100%"])
    axes.grid(axis="y", color="#eeeeee")
    axes.legend(loc="upper left")


def draw(records: list[dict[str, Any]], machine: str, path: str) -> None:
    """Writes the picture; the ending of `path` says in which format."""
    from matplotlib.figure import Figure

    peer = peer_of(records)
    figure = Figure(figsize=(13, max(5, 0.13 * len(records) + 1.5)), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_roofline(left, records, peer)
    draw_shares(right, records, peer)
    figure.suptitle(machine)
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", help="what kernels.py --json wrote")
    parser.add_argument("picture", help="file to write: .svg, .png or .pdf")
    args = parser.parse_args()
    found = json.loads(Path(args.results).read_text())
    draw(found["rows"], found["machine"], args.picture)
