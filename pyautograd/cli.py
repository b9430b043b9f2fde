"""The command line: `pyautograd train`, also as `python -m pyautograd train`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_NEEDED = ("typer", "rich", "matplotlib")


def main() -> None:
    """Runs the command that the arguments name, and exits: errors take one line, no traceback."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int | str:
    """What to exit with: a status, or an error to print. The program's own arguments if None."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        return f"pyautograd: {', '.join(missing)} missing: pip install 'pyautograd[train]'"
    from pyautograd.training.command import app
    from pyautograd.training.settings import RunError

    try:
        return int(app(arguments, prog_name="pyautograd", standalone_mode=False) or 0)
    except (RunError, OSError) as error:
        return f"pyautograd: {' '.join(str(error).split())}"
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # what typer makes of it
            return 130
        # typer's own errors tell their status; their class lies elsewhere in each of its versions.
        if not hasattr(error, "format_message"):
            raise
        print(f"pyautograd: {error.format_message()}", file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
