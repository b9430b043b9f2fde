"""Formulas as MathML, which browsers draw themselves: no script, no network.

They need a font that knows formulas (how brackets grow), and not every system has one: ziamath's
package carries STIX Two Math, of which the site gets a copy.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

FONT = "STIXTwoMath-Regular.ttf"


def mathml(node: Any, display: str) -> str:
    return convert(node.astext().replace("{aligned}", "{align*}"), display=display)


def inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def copy_font(app: Any, error: Exception | None) -> None:
    if error is None:
        files = importlib.metadata.files("ziamath") or ()
        font = next(file for file in files if file.name == FONT)
        shutil.copy(font.locate(), Path(app.outdir) / "_static" / FONT)


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("build-finished", copy_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
