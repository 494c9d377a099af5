"""The command ``regard``; heavy imports wait until they are needed.

Order: arguments, parser, answer, plans, using, looking, explaining, commands.
"""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress

from ..doctor import distribution
from ..errors import RegardError, cause
from .parser import make_parser

_MOST_LINES = 3  # of what went wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Standard output gets its answer and nothing else.

    Returns:
        0 if all went well, 1 if it could not be done, 2 for a mistake on the command line, 130 if
        it was interrupted. What went wrong is said on standard error, in one to three lines.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without − and × shows codes
    options = make_parser().parse(arguments)
    code, complaint = _outcome(options)
    if arguments is None:  # the process is ours, and all that is left to it is to end
        with suppress(ValueError):  # outside of the main thread
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    if complaint:
        _complain(options.command, complaint)
    return code


def _outcome(options: Namespace) -> tuple[int, str]:
    """Run the command and print its answer; the exit code, and what went wrong."""
    try:
        from .commands import COMMANDS

        with redirect_stdout(sys.stderr):  # what a user's network prints is no answer
            answer = COMMANDS[options.command](options)
        if answer.text is not None:
            _print(answer.text)
        return answer.code, ""
    except RegardError as error:
        return 1, str(error)
    except KeyboardInterrupt as interrupt:
        return 130, str(interrupt) or "interrupted"
    except SystemExit as stop:
        return 1, f"code that it ran ended it by sys.exit({stop.code})"
    except BrokenPipeError:  # whoever read the output has enough
        return 0, ""
    except Exception as error:
        if os.environ.get("REGARD_TRACEBACK"):
            raise
        return 1, _unforeseen(error)


def _unforeseen(error: Exception) -> str:
    missing = getattr(error, "name", "") if isinstance(error, ModuleNotFoundError) else ""
    if missing and not missing.startswith("regard."):
        get = f"pip install {distribution(missing)}"
        return f"{missing} is not installed: {get}; regard doctor lists all that is missing"
    return f"unexpected {cause(error)}\nwith REGARD_TRACEBACK=1 it shows where; please report it"


def _print(text: str) -> None:
    try:
        print(text)
        sys.stdout.flush()
    except OSError as error:
        # Python would try once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        what = f"standard output cannot be written: {error.strerror}"
        raise RegardError(f"{what}; write it to another place") from error


def _complain(command: str, message: str) -> None:
    lines = [line for line in message.splitlines() if line.strip()]
    message = "\n".join(lines[:_MOST_LINES]) + (" …" if len(lines) > _MOST_LINES else "")
    shown = "".join(
        sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in message
    )
    print(f"regard {command}: {shown}", file=sys.stderr)
