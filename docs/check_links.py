"""Fails where a page of a built site links to a file or a place in one that is not there.

python docs/check_links.py build/docs
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and the places in it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def broken(site: Path) -> tuple[list[str], int]:
    """Complaints, and how many links were followed."""
    pages = {file.resolve(): Page(file) for file in sorted(site.rglob("*.html"))}
    complaints, followed = [], 0
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if not link.startswith("data:") and not parts.scheme.startswith(("http", "mailto")):
                    complaints.append(f"{file}: {link}")
                continue
            followed += 1
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            place = unquote(parts.fragment)
            if not target.exists():
                complaints.append(f"{file}: {link}: no such file")
            elif place and target in pages and place not in pages[target].places:
                complaints.append(f"{file}: {link}: no such place")
    return complaints, followed


if __name__ == "__main__":
    found, followed = broken(Path(sys.argv[1]))
    if found or not followed:
        sys.exit("\n".join(found) or "no links at all")
    print(f"{followed} links within the site lead somewhere")
