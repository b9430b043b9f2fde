"""Makes page.png, the README's picture: the step-through page of an expression in a browser.

python docs/pictures/page.py    needs the extra viz, Playwright and Chromium
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pyautograd as ag

STEPS = 8  # forward whole, then two nodes backward


def bill() -> ag.viz.Page:
    """Two apples at 100 and three oranges at 150, with tax."""
    names = {"apples": 2.0, "apple": 100.0, "oranges": 3.0, "orange": 150.0, "tax": 1.1}
    named = {name: ag.tensor(value, requires_grad=True) for name, value in names.items()}
    price = named["apples"] * named["apple"] + named["oranges"] * named["orange"]
    cost = price * named["tax"]
    return ag.viz.page(cost, names={**named, "price": price, "cost": cost})


def main() -> None:
    from playwright.sync_api import sync_playwright

    picture = Path(__file__).with_name("page.png")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "page.html"
        bill().save(file)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
        )
        tab.goto(file.as_uri())
        for _ in range(STEPS):
            tab.keyboard.press("ArrowRight")
        tab.screenshot(path=picture)
        browser.close()
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
