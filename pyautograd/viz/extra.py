"""The libraries behind pictures, which the extra `viz` installs."""

from __future__ import annotations

import importlib
from typing import Any


def needs(library: str) -> Any:
    """The library; an ImportError that says how to get it, where it is missing."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise ImportError(
            f"this picture needs {library.split('.', maxsplit=1)[0]}, which is not installed: "
            "pip install 'pyautograd[viz]'"
        ) from error
