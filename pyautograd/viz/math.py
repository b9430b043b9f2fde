"""Formulas as MathML, which browsers lay out themselves."""

from __future__ import annotations

from functools import lru_cache

from pyautograd.viz.extra import needs
from pyautograd.viz.formulas import OPERANDS, Formula

# In MathML, single characters stand for the names, which the page puts in: the result, then the
# gradient that arrives, then the operands.
RESULT, ARRIVING, FIRST_OPERAND = "\ue000", "\ue001", 0xE002

_PLACES = {"<y>": RESULT, "<g>": ARRIVING, "<T>": r"^{\mathrm{T}}", "<t>": r"\mathrm{T}"} | {
    f"<{x}>": chr(FIRST_OPERAND + i) for i, x in enumerate(OPERANDS)
}


@lru_cache(maxsize=1024)
def mathml(latex: str) -> str:
    """The inside of a `<math>` element."""
    for place, meant in _PLACES.items():
        latex = latex.replace(place, meant)
    text = needs("latex2mathml.converter").convert(latex)
    return text[text.index(">") + 1 : text.rindex("<")]


def as_mathml(formula: Formula) -> dict[str, object]:
    """The parts of a formula, in MathML."""
    return {
        "value": mathml(formula.value),
        "local": [x and mathml(x) for x in formula.local],
        "grads": [x and mathml(x) for x in formula.grads],
    }
