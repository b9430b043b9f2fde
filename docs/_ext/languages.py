"""Two languages: links between their pages, and the search of the Chinese ones.

The Chinese site lies in the folder zh of the English one. A page without a counterpart links to the
other language's first page.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sphinx.search import languages
from sphinx.search.zh import SearchChinese

DOCS = Path(__file__).resolve().parent.parent


def add_link(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    chinese = app.config.language.startswith("zh")
    other = DOCS if chinese else DOCS / "zh"
    there = page if (other / f"{page}.md").exists() else "index"
    up = "../" * page.count("/")
    context["other_language"] = f"{up}../{there}.html" if chinese else f"{up}zh/{there}.html"
    context["other_language_name"] = "English" if chinese else "中文"


class Chinese(SearchChinese):
    """As Sphinx has it, with a stemmer that exists, and queries cut into words by the browser."""

    language_name = "English"  # whose stemmer the scripts are to use: Sphinx 9 has none of Chinese
    js_splitter_code = """
var splitQuery = (query) => {
  const words = [""];
  for (const part of new Intl.Segmenter("zh", { granularity: "word" }).segment(query)) {
    if (!part.isWordLike) words.push("");
    else if (part.segment.length > 1) words.push(part.segment, "");
    else words[words.length - 1] += part.segment;  // single characters: a word it does not know
  }
  const longer = words.filter((word) => word.length > 1);  // others are not in the index
  return longer.length ? longer : words.filter((word) => word);
};
"""


def quieten(app: Any, config: Any) -> None:
    """The dictionary that finds Chinese words for the search tells how it is loaded."""
    if config.language.startswith("zh"):
        import jieba

        jieba.setLogLevel(logging.WARNING)


def setup(app: Any) -> dict[str, Any]:
    languages["zh"] = Chinese
    app.connect("config-inited", quieten)
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
