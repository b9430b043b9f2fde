"""The command line, `pyautograd` and `python -m pyautograd`: runs a command of `commands`."""

from __future__ import annotations

import os
import sys

from pyautograd.terminal import missing

_NEEDED = {"cli": ("typer", "rich"), "train": ("typer", "rich", "matplotlib")}
_CLOSED = 128 + 13  # the status of a program that SIGPIPE has ended


def main() -> None:
    """Runs the command that the arguments name, and exits: errors take one line, no traceback."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int | str:
    """What to exit with: a status, or an error to print. The program's own arguments if None."""
    arguments = sys.argv[1:] if arguments is None else arguments
    extra = "train" if arguments[:1] == ["train"] else "cli"
    absent = missing(*_NEEDED[extra])
    if absent:
        return f"pyautograd: {', '.join(absent)} missing: pip install 'pyautograd[{extra}]'"
    from pyautograd.commands import app
    from pyautograd.commands.explain import protected
    from pyautograd.training.settings import RunError

    if arguments[:1] == ["explain"]:
        arguments = protected(arguments)
    try:
        status = int(app(arguments, prog_name="pyautograd", standalone_mode=False) or 0)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read what we print has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED
    except (RunError, OSError, ImportError) as error:
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
