"""A worker process: takes trial folders from standard input, one a line, and answers each.

It ends when its input ends, or after an epoch when the process that started it is gone: nothing is
lost, because every epoch leaves a checkpoint.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import torch

from ..errors import RegardError
from .spec import FAILURE
from .trial import run_trial


def main() -> None:
    """Run trials until the input ends; write ``{"trial", "error"}`` for each, error or null."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    parent = os.getppid()
    answers, sys.stdout = sys.stdout, sys.stderr  # what a user's factory prints is no answer

    def still_wanted(_: Mapping[str, float]) -> None:
        if os.getppid() != parent:
            sys.exit(1)

    for line in sys.stdin:
        folder = Path(line.rstrip("\n"))
        error = _attempt(folder, still_wanted)
        print(json.dumps({"trial": str(folder), "error": error}), file=answers, flush=True)


def _attempt(folder: Path, on_epoch: object) -> str | None:
    """Run one trial; the message of what went wrong, or None."""
    try:
        run_trial(folder, on_epoch)  # type: ignore[arg-type]
    except RegardError as error:
        return str(error)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        try:
            (folder / FAILURE).write_text(traceback.format_exc(), encoding="utf-8")
            return f"{message} (see {folder / FAILURE})"
        except OSError:
            return message
    return None


if __name__ == "__main__":
    main()
