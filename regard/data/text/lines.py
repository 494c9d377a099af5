"""The lines of a text file, plain or gzipped, in UTF-8."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from ...errors import RegardError
from ..tree import shown
from .skips import Skips, place

BOM = b"\xef\xbb\xbf"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
GZIP = b"\x1f\x8b"
MOST_BYTES = 1 << 24  # of a line: no sentence and no text is that long


def read_lines(path: Path, skips: Skips) -> Iterator[tuple[int, str | None]]:
    """Number, from 1, and text of each line, without its end; an empty last line is none.

    A line ends with a line feed, with or without a carriage return before it; other signs that
    Unicode calls line ends (U+2028, U+0085, form feed) stay in the text, so that two files with
    equal numbers of line feeds stay aligned. A byte order mark at the beginning is dropped.

    Args:
        path: the file; gzip is told by its content, not by its name.
        skips: told of lines that are damaged; if they are to be left out, their text is None, so
            that whoever pairs lines keeps counting.

    Raises:
        RegardError: the file is missing, unreadable, a damaged archive, not UTF-8, holds NUL
            bytes or a line of more than 16 MiB.
    """
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(MOST_BYTES + 1):
                number += 1
                if number == 1 and raw == BOM:
                    return
                yield number, _decode(raw, path, number, skips)
    except (OSError, EOFError, zlib.error) as error:
        where = f"after line {number:,}" if number else "at its beginning"
        reason = getattr(error, "strerror", None) or error
        raise RegardError(f"{shown(path)} cannot be read {where}: {reason}") from error


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    if not os.path.exists(path):
        raise RegardError(f"no file {shown(path)}; check the path")
    with open(path, "rb") as file:
        start = file.read(4)
    if start.startswith(UTF16):
        raise RegardError(
            f"{shown(path)} is UTF-16; expected UTF-8. "
            "What works: iconv -f UTF-16 -t UTF-8 OLD > NEW"
        )
    return gzip.open(path, "rb") if start.startswith(GZIP) else open(path, "rb")


def _decode(raw: bytes, path: Path, number: int, skips: Skips) -> str | None:
    if len(raw) > MOST_BYTES:
        raise RegardError(
            f"{place(path, number)}: longer than 16 MiB; expected a file of text with line ends"
        )
    raw = raw.removeprefix(BOM) if number == 1 else raw
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    if b"\0" in raw:
        skips.bad("lines with NUL bytes", place(path, number), "a NUL byte, which no text has")
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        skips.bad(
            "lines that are no UTF-8",
            place(path, number),
            f"byte {error.start + 1:,} (0x{raw[error.start]:02x}) is no UTF-8",
        )
        return None
