"""A worker process: takes trial folders from standard input, a JSON text a line, and answers each.

It ends at once when its input ends, also in the middle of a trial: then who started it is gone, and
nothing is lost, because every epoch leaves a checkpoint. With folders as arguments it runs those
and ends: ``python -m regard.comparison.worker FOLDER …``.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from ..errors import RegardError
from .spec import forget_failure, note_failure
from .trial import run_trial


def main(arguments: Sequence[str] = ()) -> int:
    """Run trials; write ``{"trial", "error"}`` for each, error or null.

    Returns:
        0 if all of them are finished, else 1.
    """
    answers = _own_stdout()
    failed = False
    for folder in map(Path, arguments or _lines()):
        error = attempt(folder)
        failed |= error is not None
        print(json.dumps({"trial": str(folder), "error": error}), file=answers, flush=True)
    return int(failed)


def attempt(folder: Path) -> str | None:
    """Run one trial; one to three lines on what went wrong, kept in its folder, or None."""
    forget_failure(folder)
    try:
        run_trial(folder)
    except RegardError as error:
        note_failure(folder, str(error))
        return str(error)
    except (Exception, SystemExit) as error:
        message = _in_one_line(error)
        note_failure(folder, message, traceback.format_exc())
        return f"{message} (see {folder / 'failure.txt'})"
    return None


def _in_one_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    text = text if len(text) <= 300 else f"{text[:300]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _own_stdout() -> TextIO:
    """Standard output for answers alone: what a user's network prints goes to standard error."""
    sys.stdout.flush()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _lines() -> Iterator[str]:
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(json.loads(line))
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield lines.get()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
