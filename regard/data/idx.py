"""IDX files, the format of MNIST and Fashion-MNIST.

A header of big-endian integers, then the bytes: magic 0x00000803 and N, H, W for images,
0x00000801 and N for labels (Y. LeCun, C. Cortes, C. Burges, "The MNIST database").
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ..errors import RegardError
from .tree import shown

MAGIC = {3: 0x00000803, 1: 0x00000801}
KIND = {3: "images", 1: "labels"}
BLOCK = 1 << 20


def read_idx(path: str | Path, *, dims: int | None = None) -> npt.NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes, plain or gzipped; its content tells which.

    Args:
        path: the file.
        dims: 3 for images, 1 for labels, None for either.

    Returns:
        uint8 ``[N, H, W]`` or ``[N]``, writable.

    Raises:
        RegardError: the file cannot be read or unpacked, is of another kind, or is shorter or
            longer than its header says.
    """
    path = Path(path)
    try:
        with _open(path) as stream:
            shape = _read_shape(stream, path, dims)
            body = _read_most(stream, math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RegardError(f"{shown(path)} cannot be read as IDX: {error}") from error
    if len(body) != math.prod(shape):
        less_or_more = "fewer" if len(body) < math.prod(shape) else "more"
        raise RegardError(
            f"{shown(path)}: the header declares {_sizes(shape)} = {math.prod(shape):,} bytes; "
            f"the file holds {less_or_more}. Fetch the file again"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb")


def _read_shape(stream: BinaryIO, path: Path, dims: int | None) -> tuple[int, ...]:
    start = stream.read(4)
    found = next((d for d, magic in MAGIC.items() if start == struct.pack(">I", magic)), None)
    if found is None or dims not in (None, found):
        known = [dims] if dims in MAGIC else list(MAGIC)
        expected = " or ".join(f"0x{MAGIC[d]:08x} ({KIND[d]})" for d in known)
        raise RegardError(
            f"{shown(path)}: expected an IDX file that begins with {expected}; "
            f"it begins with 0x{start.hex() or ' (empty)'}"
        )
    sizes = stream.read(4 * found)
    if len(sizes) < 4 * found:
        raise RegardError(f"{shown(path)}: the file ends within its header. Fetch the file again")
    shape = struct.unpack(f">{found}I", sizes)
    if 0 in shape:
        raise RegardError(f"{shown(path)} is empty: its header declares {_sizes(shape)}")
    return shape


def _read_most(stream: BinaryIO, most: int) -> bytearray:
    """Block by block, so that a header that lies cannot ask for endless memory."""
    body = bytearray()
    while len(body) < most:
        block = stream.read(min(BLOCK, most - len(body)))
        if not block:
            break
        body += block
    return body


def _sizes(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
