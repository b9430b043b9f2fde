"""What `import pyautograd` costs (trap 12), counted in modules: milliseconds depend on the day."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

LOADED = """
import sys
import numpy
before = set(sys.modules)
import pyautograd
print(*sorted(set(sys.modules) - before))
"""


def loaded() -> list[str]:
    out = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    return out.stdout.split()


def test_import_loads_little_beyond_numpy() -> None:
    names = loaded()
    ours = [name for name in names if name.split(".")[0] == "pyautograd"]
    others = [name for name in names if name.split(".")[0] != "pyautograd"]
    assert len(ours) <= 50, ours  # one a family of ops
    assert len(others) <= 10, others
    for lazy in ("nn", "optim", "data", "cli", "gradcheck"):
        assert f"pyautograd.{lazy}" not in ours


def test_import_is_silent() -> None:
    """A warning on import alone annoys everyone (trap 26)."""
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import pyautograd"],
        check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert out.stdout == ""
    assert out.stderr == ""


def test_numpy_alone_is_needed() -> None:
    needed = [r for r in metadata.requires("pyautograd") or [] if "extra ==" not in r]
    assert [r.split(">")[0] for r in needed] == ["numpy"]
