"""Writes inside/accuracy_table.md: the largest errors of the vector functions.

    python docs/measure_accuracy.py

measures as tests/test_accuracy.py does, under every instruction set this machine has. A test
compares the table with what is measured anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from accuracy import FUNCTIONS, every_exponent, measured, under  # noqa: E402

from pyautograd import _C  # noqa: E402

TABLE = HERE / "inside" / "accuracy_table.md"
ISAS = ("generic", "avx2", "avx512")


def row(name: str) -> str:
    """Largest errors per instruction set; of the widest: where it is, and the share without any."""
    x = every_exponent()
    found = {isa: measured(name, under(isa, name)) for isa in _C.available_isas()}
    largest = " | ".join(f"{found[isa].max():.2f}" if isa in found else "–" for isa in ISAS)
    widest = found[_C.available_isas()[-1]]
    exact = (widest[np.isfinite(x)] == 0).mean()
    return f"| `{name}` | {largest} | {x[widest.argmax()]:.4g} | {exact:.1%} |"


def table() -> str:
    head = (
        "| function | generic (SSE4) | AVX2 | AVX-512 | worst at | correctly rounded |",
        "| --- | --: | --: | --: | --: | --: |",
    )
    return "\n".join([*head, *map(row, FUNCTIONS)]) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
