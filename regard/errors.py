"""One exception for what a user can mend: its text says what was asked, what came, what works."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten

_REMEDY = {
    errno.ENOSPC: "; free some space and run the same command again",
    errno.EDQUOT: "; free some space and run the same command again",
    errno.EACCES: "; choose a folder that you may write into",
    errno.EPERM: "; choose a folder that you may write into",
    errno.EROFS: "; choose a folder that you may write into",
}


class RegardError(ValueError):
    """A mistake the caller can mend. The command line prints the text without a traceback."""


def cause(error: BaseException, most: int = 300) -> str:
    """``OSError: no such file``: the error of somebody else's code, in one line for ours.

    PyTorch's messages may fill a screen; whole they stay in the ``__cause__`` of what we raise.
    """
    if isinstance(error, SystemExit):
        return shorten(f"the code called sys.exit({error.code})", most, placeholder=" …")
    said = shorten(str(error), most, placeholder=" …")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def nearest(asked: str, known: Iterable[str], most: int = 3) -> str:
    """``; nearest: a, b`` for a name that is not known, or all known names where none is near."""
    names = sorted(set(known))
    found = get_close_matches(asked, names, n=most, cutoff=0.5)
    if found:
        return "; nearest: " + ", ".join(found)
    return "; known: " + ", ".join(names[:12]) + (", …" if len(names) > 12 else "")


def of_one_value(error: BaseException) -> bool:
    """Whether PyTorch's BatchNorm refused to learn from one value a channel."""
    return "more than 1 value per channel" in str(error)


def unwritable(path: Path | str, error: OSError) -> RegardError:
    """The error for a file or folder that the system does not let us write, with a remedy."""
    what = error.strerror or str(error)
    number = error.errno or errno.ENOSPC  # NumPy tells none where it wrote less than it wanted
    return RegardError(f"{path} cannot be written: {what}{_REMEDY.get(number, '')}")
