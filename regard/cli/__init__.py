"""The command ``regard``. Order: parser, commands; heavy imports wait until they are needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import RegardError
from .parser import make_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 if all went well, 1 if it could not be done, 2 for a mistake on the command line, 130 if
        it was interrupted. What went wrong is said on standard error, in one to three lines.
    """
    options = make_parser().parse(arguments)
    try:
        from . import commands

        run = getattr(commands, options.command)
        return int(run(options) or 0)
    except RegardError as error:
        print(f"regard {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"regard {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has enough; nothing more may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
