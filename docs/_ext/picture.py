"""`{picture} name`: the SVG that `figures.name` returns, in the page, with a caption.

SVG in the page itself takes the theme's colours, light or dark; nothing is kept in files.
"""

from __future__ import annotations

import importlib
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class Picture(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        alt = self.options.get("alt")
        if alt is None:
            raise self.error(f"picture {name}: say in :alt: what it shows")
        draw = getattr(importlib.import_module("figures"), name)
        figure = nodes.figure(classes=["picture"])
        figure += nodes.raw("", draw().svg(alt), format="html")
        caption = nodes.caption()
        self.state.nested_parse(self.content, self.content_offset, caption)
        if caption.children:  # the parsed paragraph's own children
            paragraph = caption.children[0]
            figure += nodes.caption("", "", *paragraph.children)
        return [figure]


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("picture", Picture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
