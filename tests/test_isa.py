"""Code for newer processors must not leak into what every processor runs (traps 7 and 8)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyautograd import _C

ROOT = Path(__file__).resolve().parent.parent
FLAGS = {
    "generic": ["-march=x86-64-v2"],
    "avx2": ["-march=haswell"],
    "avx512": ["-march=skylake-avx512", "-mprefer-vector-width=512"],
}
ARM = "aarch64-linux-gnu-"
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not COMPILER or not shutil.which("nm"),
    reason="needs an x86-64 compiler and nm",
)
@pytest.mark.parametrize("isa", FLAGS)
def test_a_file_built_for_one_processor_defines_its_table_alone(isa: str, tmp_path: Path) -> None:
    """A weak (inline) function could be taken by the linker for code that all processors run."""
    out = tmp_path / "isa.o"
    subprocess.run(
        [
            *(COMPILER, "-std=c++17", "-O3", "-fPIC", "-ffp-contract=off", "-fno-math-errno"),
            *FLAGS[isa],
            *(f"-I{ROOT / 'csrc'}", "-c", ROOT / f"csrc/isa/{isa}.cpp", "-o", out),
        ],
        check=True,
    )
    check_symbols("nm", out, f"table_{isa}")


@pytest.mark.skipif(not shutil.which(f"{ARM}g++"), reason="needs a cross compiler for ARM64")
def test_the_file_for_arm_does_so_too(tmp_path: Path) -> None:
    out = tmp_path / "isa.o"
    subprocess.run(
        [
            *(f"{ARM}g++", "-std=c++17", "-O3", "-fPIC", "-ffp-contract=off", "-fno-math-errno"),
            *(f"-I{ROOT / 'csrc'}", "-c", ROOT / "csrc/isa/neon.cpp", "-o", out),
        ],
        check=True,
    )
    check_symbols(f"{ARM}nm", out, "table_neon")


def check_symbols(nm: str, out: Path, table: str) -> None:
    lines = subprocess.run([nm, out], check=True, capture_output=True, text=True).stdout
    symbols = [line.split()[-2:] for line in lines.splitlines()]
    defined = [name for kind, name in symbols if kind.isupper() and kind != "U"]
    weak = [name for kind, name in symbols if kind in "WwVvu"]
    assert weak == []
    assert len(defined) == 1
    assert table in defined[0]


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not shutil.which("objdump"),
    reason="needs objdump on x86-64",
)
def test_wide_registers_stay_in_their_files() -> None:
    """Outside the AVX2 and AVX-512 tables the built module uses no ymm or zmm register."""
    dump = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", _C.__file__],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    wide = sum("%ymm" in line or "%zmm" in line for line in dump.splitlines())
    assert wide > 1000, "the fast tables are missing from the build"
    # The module's entry and its bindings run on every processor.
    entry = dump.split("<PyInit__C", 1)
    if len(entry) == 2:
        body = entry[1].split("\n\n", 1)[0]
        assert "%ymm" not in body
        assert "%zmm" not in body


@pytest.mark.parametrize("isa", _C.available_isas())
def test_the_environment_chooses(isa: str) -> None:
    code = "import pyautograd as ag; print(ag._C.isa(), float((ag.ones(3) * 2).sum()))"
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYAUTOGRAD_ISA": isa}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert out.stdout.split() == [isa, "6.0"]


def test_an_unknown_name_is_an_error() -> None:
    out = subprocess.run(
        [sys.executable, "-c", "import pyautograd"],
        env={**os.environ, "PYAUTOGRAD_ISA": "abacus"}, capture_output=True, text=True,
    )  # fmt: skip
    assert out.returncode != 0
    assert "PYAUTOGRAD_ISA=abacus: this machine runs generic" in out.stderr
    with pytest.raises(ValueError, match="abacus"):
        _C.select_isa("abacus")
