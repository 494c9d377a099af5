"""A folder of IDX files, as MNIST and Fashion-MNIST are given out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import RegardError
from .idx import read_idx
from .images import Split
from .splits import Parts
from .tree import Listing, list_folder, shown

NAME = re.compile(r"(train|t10k|test).*(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?", re.IGNORECASE)
ANY = re.compile(r".*(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?", re.IGNORECASE)


def find_idx(folder: Path) -> tuple[Path, ...]:
    """The IDX files in a folder, by name, or in its sub-folder ``raw``, as torchvision writes."""
    listing = list_folder(folder)
    raw = next((path for path in listing.folders if path.name == "raw"), None)
    return _idx_of(listing) or (() if raw is None else _idx_of(list_folder(raw)))


def read_idx_folder(files: tuple[Path, ...]) -> Parts:
    """Read the files that :func:`find_idx` found.

    ``train*`` is train; ``t10k*`` or ``test*`` is test, which may be missing. Where a file is there
    plain and gzipped, the plain one is read. Classes are the labels of train, as text.

    Raises:
        RegardError: an images file without its labels or the other way round, counts that differ,
            a test label that train does not have, one class only, or any error of ``read_idx``.
    """
    named = _by_role(files)
    if "train" not in named:
        names = ", ".join(shown(path.name) for path in files)
        raise RegardError(f"{shown(files[0].parent)}: no train-images-idx3-ubyte; found {names}")
    raw = {role: _read_pair(pair) for role, pair in named.items()}
    values = np.unique(raw["train"][1])
    if len(values) < 2:
        raise RegardError(f"{shown(named['train']['labels'])}: only one class, {values[0]}")
    splits = {role: _split(named[role]["labels"], *pair, values) for role, pair in raw.items()}
    return Parts(splits["train"], splits.get("test"), None, tuple(str(v) for v in values), ())


def _idx_of(listing: Listing) -> tuple[Path, ...]:
    return tuple(path for path in listing.files if ANY.fullmatch(path.name))


def _by_role(files: tuple[Path, ...]) -> dict[str, dict[str, Path]]:
    """Role → kind → file. Plain files come last in the order, so that they win over gzipped."""
    named: dict[str, dict[str, Path]] = {}
    for path in sorted(files, key=lambda path: (not path.name.lower().endswith(".gz"), path.name)):
        match = NAME.fullmatch(path.name)
        if match is None:
            continue
        role = "train" if match[1].lower() == "train" else "test"
        kind = match[2][:6].lower()
        before = named.setdefault(role, {}).get(kind)
        if before is not None and before.name != f"{path.name}.gz":
            raise RegardError(f"{shown(path)} and {shown(before.name)} are both {role} {kind}")
        named[role][kind] = path
    return named


def _read_pair(pair: dict[str, Path]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    if len(pair) < 2:
        ((kind, path),) = pair.items()
        other = "labels-idx1" if kind == "images" else "images-idx3"
        raise RegardError(f"{shown(path)} has no {other}-ubyte file beside it")
    images, labels = read_idx(pair["images"], dims=3), read_idx(pair["labels"], dims=1)
    if len(images) != len(labels):
        raise RegardError(
            f"{shown(pair['images'])} has {len(images):,} images, "
            f"{shown(pair['labels'].name)} has {len(labels):,} labels; they must be as many"
        )
    return images, labels


def _split(
    path: Path,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    values: npt.NDArray[np.uint8],
) -> Split:
    extra = np.setdiff1d(labels, values)
    if len(extra):
        raise RegardError(f"{shown(path)}: labels {extra.tolist()} do not occur in train")
    return Split(images[:, None], np.searchsorted(values, labels).astype(np.int64))
