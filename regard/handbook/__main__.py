"""``python -m regard.handbook``: write the documentation of this checkout (``make docs``)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import RegardError
from .run import keep
from .writing import RUN, write

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Write what changed; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m regard.handbook", description=__doc__)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of the run to choose by")
    parser.add_argument("--command", help="that made it; needed with --keep")
    parser.add_argument("--machine", help="it ran on; needed with --keep")
    options = parser.parse_args()
    if options.keep and not (options.command and options.machine):
        parser.error("--keep needs --command and --machine: a figure has them beside it")
    try:
        if options.keep:
            keep(options.keep, ROOT / RUN, options.command, options.machine)
        changed = write(ROOT)
    except RegardError as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    print("\n".join(changed) or "all is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
