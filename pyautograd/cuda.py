"""Graphics cards, of which there are none: for programs that ask first."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed_all(seed: Any) -> None:
    """Nothing: `pyautograd.manual_seed` seeds the one generator there is."""


manual_seed = manual_seed_all
