"""The documentation names all that is public, its languages agree, its tables are up to date."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest

import pyautograd as ag
from pyautograd import _C

DOCS = Path(__file__).resolve().parent.parent / "docs"
sys.path[:0] = [str(DOCS), str(DOCS / "_ext")]

import fit_polynomials  # noqa: E402
import measure_accuracy  # noqa: E402
import public  # noqa: E402
import torch_names  # noqa: E402

BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
CHINESE = [*sorted((DOCS / "zh").rglob("*.md")), DOCS.parent / "README.zh.md"]


# ---- the reference -------------------------------------------------------------------------------


def test_reference_names_everything_public() -> None:
    pages = list(public.documented())
    documented = set(pages)
    assert len(pages) == len(documented), "documented twice"
    objects = {id(public.lookup(name)) for name in documented}
    missing = [
        name
        for name in sorted(public.public_names() - documented)
        if id(public.lookup(name)) not in objects  # else it is there under another name
    ]
    assert not missing, f"in no page of docs/api: {missing}"
    assert not documented - public.public_names(), "documented, but not public"


def test_reference_knows_every_name_space() -> None:
    spaces = {path.partition(".")[0] for path in public.NAMESPACES}
    assert not set(ag._SUBMODULES) - spaces - {"cuda"}  # which only says that there is none


def test_everything_public_has_a_docstring() -> None:
    found = {name: public.lookup(name) for name in public.public_names()}
    assert [name for name, value in found.items() if callable(value) and not value.__doc__] == []


# ---- two languages -------------------------------------------------------------------------------


def english(page: Path) -> Path:
    if page.name == "README.zh.md":
        return page.with_name("README.md")
    return DOCS / page.relative_to(DOCS / "zh")


def meaning(block: str) -> str:
    """Code without its comments; a session with its output, as it is."""
    if block.lstrip().startswith(">>>"):
        return re.sub(r"  # .*", "", block)
    return ast.dump(ast.parse(block))


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: page.stem)
def test_chinese_pages_have_the_same_code(page: Path) -> None:
    blocks = [
        [found[2] for found in BLOCK.finditer(file.read_text(encoding="utf-8"))]
        for file in (english(page), page)
    ]
    for ours, theirs in zip_longest(*blocks, fillvalue=""):
        assert meaning(theirs) == meaning(ours), f"differs from {english(page)}:\n{theirs}"


@pytest.mark.parametrize("page", CHINESE[:-1], ids=lambda page: page.stem)
def test_chinese_pages_have_the_same_pictures(page: Path) -> None:
    picture = re.compile(r"^```\{picture\} (\w+)$", re.MULTILINE)
    names = [picture.findall(file.read_text(encoding="utf-8")) for file in (english(page), page)]
    assert names[0] == names[1]


def test_the_tutorial_is_there_in_chinese() -> None:
    chapters = {file.name for file in (DOCS / "tutorial").glob("*.md")}
    assert len(chapters) == 8
    assert {file.name for file in (DOCS / "zh" / "tutorial").glob("*.md")} == chapters


# ---- the command line ---------------------------------------------------------------------------

SESSION = re.compile(r"^```text\n\$ pyautograd ([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_commands_print_what_the_pages_say() -> None:
    text = (DOCS / "seeing.md").read_text(encoding="utf-8")
    sessions = SESSION.findall(text)
    assert sessions
    for arguments, expected in sessions:
        done = subprocess.run(
            [sys.executable, "-m", "pyautograd", *shlex.split(arguments)],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
            timeout=60,
            check=True,
        )
        lines = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
        assert lines == expected.splitlines()


# ---- tables --------------------------------------------------------------------------------------


def test_measured_steps_are_the_same_everywhere() -> None:
    """The README's table is quoted by other pages; whoever measures anew changes all of them."""
    step = re.compile(r"^\| [^|]*(?:SGD|Adam) \|(.*)\|$", re.MULTILINE)
    quoting = [
        DOCS.parent / "README.zh.md", DOCS / "inside" / "compiler.md",
        *DOCS.glob("**/7_static_dynamic.md"),
    ]  # fmt: skip
    measured = step.findall((DOCS.parent / "README.md").read_text(encoding="utf-8"))
    assert len(measured) >= 4
    assert len(quoting) == 4
    for page in quoting:
        assert step.findall(page.read_text(encoding="utf-8")) == measured, page


def rows(table: str) -> dict[str, list[str]]:
    """{function: cells after its name}."""
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return {cells[1]: cells[2:-1] for cells in ([c.strip() for c in x.split("|")] for x in lines)}


@pytest.mark.skipif(
    "avx512" not in _C.available_isas(), reason="the table has a column for AVX-512"
)
@pytest.mark.parametrize("path", measure_accuracy.TABLES, ids=lambda path: path.name)
def test_accuracy_table_is_what_is_measured(path: Path) -> None:
    """Within a hundredth ulp: NumPy's float64 functions, the reference, differ among builds."""
    written = rows(path.read_text(encoding="utf-8"))
    measured = rows(measure_accuracy.table(path))
    assert written.keys() == measured.keys()
    for name, cells in measured.items():
        for now, then in zip(cells[:3], written[name][:3], strict=True):
            assert abs(float(now) - float(then)) < 0.015, (
                f"{name}: measured {now}, the table has {then}; "
                "python docs/measure_accuracy.py writes it anew"
            )


@pytest.mark.parametrize("name", fit_polynomials.POLYNOMIALS)
def test_polynomials_are_those_of_the_source(name: str) -> None:
    isa = Path(__file__).resolve().parent.parent / "csrc" / "isa"
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(isa.glob("v*.h")))
    coefficients, _ = fit_polynomials.fit(name)
    assert "{" + ",".join(map(repr, coefficients)) + "}" in "".join(source.split())


def test_pytorchs_names_are_those_of_its_release() -> None:
    torch = pytest.importorskip("torch")
    listed = torch_names.load()
    if torch.__version__.partition("+")[0] != listed["version"]:
        pytest.skip(f"the list is of PyTorch {listed['version']}")
    assert torch_names.current() == listed


def test_names_are_compared_with_what_is_here() -> None:
    found = torch_names.compare(torch_names.load()["names"])
    have, lack = next(row[1:] for row in found if row[0] == "torch.nn.functional")
    assert "conv2d" in have
    assert set(have) <= set(dir(ag.nn.functional))
    assert not set(lack) & set(ag.nn.functional.__all__)
