"""From the shell to a command and back: every end becomes one sentence and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from farm.errors import Cancelled, FarmError

INTERRUPTED = 130
USAGE = 2
EXTRA = "pip install 'style-farm[farm]'"

# Where typer's usage errors live differs between its versions; BadParameter is one of them in all.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code.

    Args:
        arguments: without the program's name; default: those of this process.
    """
    from farm.cli.app import app

    try:
        code = app(arguments, prog_name="farm", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return _end("interrupted.", INTERRUPTED)
    except Cancelled as cancelled:
        return _end(str(cancelled) or "interrupted.", INTERRUPTED)
    except FarmError as error:
        return _end(error.message, error.exit_code)
    except UsageError as error:
        return _end(_usage(error), USAGE)
    except BrokenPipeError:
        return _quiet()
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, FARM_DEBUG=1 the traceback
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("FARM_DEBUG", "") not in ("", "0")


def _end(sentence: str, code: int) -> int:
    if debugging():
        traceback.print_exc()
    sys.stderr.write(f"farm: {sentence}\n")
    return code


def _usage(error: Exception) -> str:
    """Typer's complaint, and where to read what is right."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "farm"
    message = getattr(error, "format_message", error.__str__)().strip().rstrip(".")
    message = message or "a command is needed"
    return f"{message[:1].lower()}{message[1:]}; see '{command} --help'."


def missing_extra(error: Exception) -> str:
    """The package outside ``farm`` that is not installed; empty for any other error."""
    if not isinstance(error, ModuleNotFoundError):
        return ""
    package = (error.name or "").partition(".")[0]
    return "" if package == "farm" else package


def _unexpected(error: Exception) -> int:
    package = missing_extra(error)
    if package:
        return _end(f"this needs the farm extra ({package} is not installed): {EXTRA}", USAGE)
    hint = "" if debugging() else "; run it again with FARM_DEBUG=1 to see where"
    return _end(f"unexpected {type(error).__name__}: {error}{hint}.", 1)


def _quiet() -> int:
    """The reader of a pipe has gone; what is left in the buffer must not be flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
