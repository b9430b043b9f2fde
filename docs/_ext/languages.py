"""Two languages: links between their pages, and the search of the Chinese ones.

The Chinese site lies in the folder zh of the English one. A page without a counterpart links to the
other language's first page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.search import languages
from sphinx.search.zh import SearchChinese

HAN = re.compile("[\u4e00-\u9fff]+")
DOCS = Path(__file__).resolve().parent.parent


def add_link(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    chinese = app.config.language.startswith("zh")
    other = DOCS if chinese else DOCS / "zh"
    there = page if (other / f"{page}.md").exists() else "index"
    up = "../" * page.count("/")
    context["other_language"] = f"{up}../{there}.html" if chinese else f"{up}zh/{there}.html"
    context["other_language_name"] = "English" if chinese else "中文"


class Chinese(SearchChinese):
    """Chinese is searched by pairs of characters, which need no dictionary."""

    language_name = "English"  # whose stemmer the scripts are to use: Sphinx 9 has none of Chinese
    js_splitter_code = r"""
var splitQuery = (query) => {
  const terms = [];
  for (const [run] of query.matchAll(/\p{Script=Han}+|[A-Za-z0-9_]+/gu)) {
    if (run.length < 3 || /\w/.test(run)) terms.push(run);
    else for (let i = 0; i + 1 < run.length; i++) terms.push(run.slice(i, i + 2));
  }
  return terms;
};
"""

    def split(self, input: str) -> list[str]:
        latin = self.latin1_letters.findall(input)
        self.latin_terms.update(latin)
        pairs = [run[i : i + 2] for run in HAN.findall(input) for i in range(len(run) - 1)]
        return pairs + latin


def setup(app: Any) -> dict[str, Any]:
    languages["zh"] = Chinese
    app.connect("html-page-context", add_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
