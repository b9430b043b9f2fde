"""The link at a page's side to the same page in the other language.

The Chinese site lies in the folder zh of the English one. A page without a counterpart links to the
other language's first page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent


def add_link(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    chinese = app.config.language.startswith("zh")
    other = DOCS if chinese else DOCS / "zh"
    there = page if (other / f"{page}.md").exists() else "index"
    up = "../" * page.count("/")
    context["other_language"] = f"{up}../{there}.html" if chinese else f"{up}zh/{there}.html"
    context["other_language_name"] = "English" if chinese else "中文"


def setup(app: Any) -> dict[str, Any]:
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
