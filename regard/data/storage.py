"""A folder of arrays with one JSON header, written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RegardError, unwritable
from .tree import shown


@dataclass(frozen=True, slots=True)
class Kind:
    """What a folder holds.

    Args:
        format: what the header says under ``format``.
        header: name of the JSON file.
        what: the content, in the words of an error.
    """

    format: str
    header: str
    what: str


IMAGES = Kind("regard images 1", "images.json", "images")


def write_arrays(
    folder: Path,
    header: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    kind: Kind = IMAGES,
) -> None:
    """Write ``header`` and ``arrays`` to a new folder.

    All is written beside the target and renamed at the end, so that a reader, or a process that is
    killed, never leaves half a folder. A target that already holds the same fingerprint is kept;
    of its arrays those are written again that are missing or cut short.

    Raises:
        RegardError: the target holds something else, or cannot be written.
    """
    temporary = folder.parent / f".{folder.name}.{secrets.token_hex(6)}"
    try:
        if folder.is_dir() and any(folder.iterdir()):
            _require_same(folder, header, kind)
            _mend(temporary, folder, arrays)
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, arrays)
        text = json.dumps({"format": kind.format, **header}, indent=1)
        (temporary / kind.header).write_text(text, encoding="utf-8")
        _move(temporary, folder, header, kind)
    except OSError as error:
        raise unwritable(f"the folder {shown(folder)}", error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(temporary: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    temporary.mkdir()
    for name, array in arrays.items():
        np.save(temporary / f"{name}.npy", array, allow_pickle=False)


def _mend(temporary: Path, folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write again what is not as long as it was; other processes keep what they have mapped."""
    damaged = {name: array for name, array in arrays.items() if not _is_whole(folder, name, array)}
    if damaged:
        _write(temporary, damaged)
    for name in damaged:
        os.replace(temporary / f"{name}.npy", folder / f"{name}.npy")


def _is_whole(folder: Path, name: str, array: npt.NDArray[Any]) -> bool:
    """Whether the header and the size of the file are those of the array; reads no pixel."""
    try:
        there = read_array(folder, name)
    except RegardError:
        return False
    return there.shape == array.shape and there.dtype == array.dtype


def _move(temporary: Path, folder: Path, header: Mapping[str, Any], kind: Kind) -> None:
    try:
        os.rename(temporary, folder)
    except OSError:
        if not (folder / kind.header).exists():
            raise
        _require_same(folder, header, kind)  # another process was first


def _require_same(folder: Path, header: Mapping[str, Any], kind: Kind) -> None:
    try:
        there = read_header(folder, kind).get("fingerprint")
    except RegardError:
        there = None
    if there is None or there != header.get("fingerprint"):
        raise RegardError(
            f"the folder {shown(folder)} already holds something else and is left as it is; "
            "name a new folder, or remove this one"
        )


def read_header(folder: Path, kind: Kind = IMAGES) -> dict[str, Any]:
    """The JSON header of a folder that :func:`write_arrays` made.

    Raises:
        RegardError: there is none, it cannot be read, or it is another program's.
    """
    try:
        header = json.loads((folder / kind.header).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RegardError(f"{kind.header}: {error}") from error
    if not isinstance(header, dict) or header.get("format") != kind.format:
        raise RegardError(f"{kind.header} does not say format {kind.format!r}")
    return header


def read_array(folder: Path, name: str) -> npt.NDArray[Any]:
    """One array of the folder, memory-mapped.

    The map is copy-on-write: whoever writes into the array writes into memory, never to the file.

    Raises:
        RegardError: the file is missing, cut short, or no plain array.
    """
    path = folder / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except Exception as error:  # a damaged header raises whatever Python's tokenizer raises
        raise RegardError(f"{path.name}: {error}") from error
    if not isinstance(array, np.ndarray):
        raise RegardError(f"{path.name} is no array")
    return array


def not_prepared(folder: Path, reason: str, kind: Kind = IMAGES) -> RegardError:
    """The error for a folder whose content is not what was written."""
    return RegardError(
        f"{shown(folder)} does not hold prepared {kind.what} ({shown(reason)}); "
        f"remove it and prepare the {kind.what} again"
    )
