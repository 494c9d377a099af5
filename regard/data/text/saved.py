"""Hugging Face data sets saved to disk (``save_to_disk``), read as plain Arrow files.

Only pyarrow is needed, and only here: of the ``datasets`` library no code is run. A folder holds
``state.json`` with the names of its Arrow files and ``dataset_info.json`` with the features; a
folder of several splits holds ``dataset_dict.json`` and one such folder a split.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...errors import RegardError, cause
from ..tree import shown, shown_some
from .tables import value_at

STATE, SPLITS, INFO = "state.json", "dataset_dict.json", "dataset_info.json"


def is_saved(folder: Path) -> bool:
    """Whether a folder was written by ``save_to_disk``."""
    return (folder / STATE).is_file() or (folder / SPLITS).is_file()


def saved_splits(folder: Path) -> dict[str, Path]:
    """Name of each split → its folder; one data set without splits is called train.

    Raises:
        RegardError: ``dataset_dict.json`` is damaged.
    """
    if not (folder / SPLITS).is_file():
        return {"train": folder}
    names = _json(folder / SPLITS).get("splits")
    if not isinstance(names, list) or not all(_is_plain(name) for name in names):
        raise RegardError(f"{shown(folder / SPLITS)} names no splits; save the data set again")
    return {name: folder / name for name in names}


def read_saved(folder: Path, columns: Sequence[str]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Number of the row, from 1, and the values of chosen columns; class labels as their names.

    Args:
        folder: of one split.
        columns: names, dotted for what lies inside, such as ``translation.en``.

    Raises:
        RegardError: pyarrow is not installed, a file is damaged or missing, no such column.
    """
    features = _features(folder)
    roots = {name: name if name in features else name.partition(".")[0] for name in columns}
    missing = [name for name, root in roots.items() if root not in features]
    if missing:
        raise RegardError(
            f"{shown(folder)} has no column {shown_some(missing)}; "
            f"it has {shown_some(list(features), 8) or 'none'}"
        )
    names = [_class_names(features[name]) if name in features else () for name in columns]
    for number, row in enumerate(_rows(folder, sorted(set(roots.values()))), start=1):
        try:
            values = [value_at(row, name) for name in columns]
        except ValueError as error:
            raise RegardError(f"{shown(folder)}, row {number:,}: {error}") from error
        yield number, tuple(_named(v, known) for v, known in zip(values, names, strict=True))


def text_columns(folder: Path) -> list[str]:
    """Columns of a translation, dotted; where there is none, all columns of text.

    Raises:
        RegardError: ``dataset_info.json`` is damaged.
    """
    features = {n: f for n, f in _features(folder).items() if isinstance(f, dict)}
    for name, feature in features.items():
        if isinstance(feature.get("languages"), list):
            return [f"{name}.{language}" for language in feature["languages"]]
    return [n for n, f in features.items() if f.get("dtype") in ("string", "large_string")]


def _features(folder: Path) -> dict[str, Any]:
    features = _json(folder / INFO).get("features")
    if not isinstance(features, dict):
        raise RegardError(f"{shown(folder / INFO)} names no features; save the data set again")
    return features


def _class_names(feature: Any) -> tuple[str, ...]:
    """Names of a class label, or of a list of them; none for anything else."""
    while isinstance(feature, list) or (isinstance(feature, dict) and "feature" in feature):
        feature = feature[0] if isinstance(feature, list) else feature["feature"]
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _named(value: Any, names: tuple[str, ...]) -> Any:
    """A label as its name; the number -1, which says that there is none, as None."""
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if not names or type(value) is not int:
        return value
    return names[value] if 0 <= value < len(names) else None


def _rows(folder: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow as arrow
        import pyarrow.ipc
    except ImportError as error:
        raise RegardError(
            f"{shown(folder)} is a data set in Arrow files, and pyarrow, which reads them, is not "
            "installed; pip install 'regard[text]', or save the data as CSV or JSON Lines"
        ) from error
    for path in _files(folder):
        try:
            with arrow.memory_map(str(path)) as source, arrow.ipc.open_stream(source) as stream:
                for batch in stream:
                    yield from batch.select(columns).to_pylist()
        except (arrow.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
            raise RegardError(f"{shown(path)} cannot be read: {cause(error)}") from error


def _files(folder: Path) -> list[Path]:
    state = _json(folder / STATE)
    files = state.get("_data_files")
    names = [f.get("filename") if isinstance(f, dict) else None for f in files or []]
    if not names or not all(_is_plain(name) for name in names):
        raise RegardError(f"{shown(folder / STATE)} names no Arrow files; save the data set again")
    if state.get("_indices_files"):
        raise RegardError(
            f"{shown(folder)} has rows by index; save it anew after flatten_indices()"
        )
    return [folder / str(name) for name in names]


def _is_plain(name: object) -> bool:
    """A name in this folder, not a path that leads out of it."""
    return isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RegardError(f"{shown(path)} cannot be read: {cause(error)}") from error
    if not isinstance(found, dict):
        raise RegardError(f"{shown(path)} is no JSON object; save the data set again")
    return found
