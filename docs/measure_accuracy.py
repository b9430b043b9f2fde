"""Writes inside/accuracy_float32.md and accuracy_float64.md, the vector functions' largest errors.

    python docs/measure_accuracy.py

measures as tests/test_accuracy.py does, under every instruction set this machine has. A test
compares the tables with what is measured anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from accuracy import FUNCTIONS, PRECISE, errors  # noqa: E402

from pyautograd import _C  # noqa: E402

TABLES = {
    HERE / "inside" / "accuracy_float32.md": (np.float32, FUNCTIONS),
    HERE / "inside" / "accuracy_float64.md": (np.float64, PRECISE),
}
ISAS = ("generic", "avx2", "avx512")


def row(name: str, dtype: type) -> str:
    """Largest errors per instruction set; of the widest: where it is, and the share without any."""
    found = {isa: errors(name, isa, dtype)[1] for isa in _C.available_isas()}
    largest = " | ".join(f"{found[isa].max():.2f}" if isa in found else "–" for isa in ISAS)
    x, widest = errors(name, _C.available_isas()[-1], dtype)
    exact = (widest[np.isfinite(x)] == 0).mean()
    return f"| `{name}` | {largest} | {x[widest.argmax()]:.4g} | {exact:.1%} |"


def table(path: Path) -> str:
    """What is to be in that file."""
    dtype, functions = TABLES[path]
    head = (
        "| function | generic (SSE4) | AVX2 | AVX-512 | worst at | correctly rounded |",
        "| --- | --: | --: | --: | --: | --: |",
    )
    return "\n".join([*head, *(row(name, dtype) for name in functions)]) + "\n"


if __name__ == "__main__":
    for path in TABLES:
        path.write_text(table(path), encoding="utf-8")
