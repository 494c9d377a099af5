"""Which folders hold which class of which split."""

from __future__ import annotations

from pathlib import Path

from ..errors import RegardError
from .findings import Findings
from .tree import list_folder, shown, shown_some, text_name

ROLE = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}


def find_classes(folder: Path, findings: Findings) -> dict[str, dict[str, Path]]:
    """Role → class, sorted by name → folder. The role ``train`` is always there.

    A folder is taken as parted when it has nothing but folders named as parts, or when its
    ``train`` has folders inside; so a class may be called train.

    Raises:
        RegardError: no class, one class only, no train among the parts, a part given twice,
            classes that differ between the parts.
    """
    classes = {
        role: _class_folders(path, findings) for role, path in _roles(folder, findings).items()
    }
    for role, names in classes.items():
        _require_same(folder, role, set(names), set(classes["train"]))
    if len(classes["train"]) < 2:
        (only,) = classes["train"]
        raise RegardError(
            f"{shown(folder)}: only one class, '{shown(only)}'; two or more are needed"
        )
    return classes


def _roles(folder: Path, findings: Findings) -> dict[str, Path]:
    listing = list_folder(folder)
    parts = [path for path in listing.folders if path.name.lower() in ROLE]
    inside = [path for path in parts if ROLE[path.name.lower()] == "train"]
    parted = len(parts) == len(listing.folders) or any(list_folder(p).folders for p in inside)
    if not parted:
        return {"train": folder}
    findings.hidden += [path.name for path in listing.ignored]
    findings.beside += [p.name for p in (*listing.folders, *listing.files) if p not in parts]
    roles: dict[str, Path] = {}
    for path in parts:
        role = ROLE[path.name.lower()]
        if role in roles:
            raise RegardError(f"{shown(path)} and '{shown(roles[role].name)}' are both {role}")
        roles[role] = path
    if "train" not in roles:
        raise RegardError(f"{shown(folder)} has {shown_some([p.name for p in parts])} but no train")
    return {"train": roles.pop("train"), **roles}


def _class_folders(folder: Path, findings: Findings) -> dict[str, Path]:
    listing = list_folder(folder)
    findings.hidden += [path.name for path in listing.ignored]
    findings.beside += [path.name for path in listing.files]
    if not listing.folders:
        what = shown_some([path.name for path in listing.files]) or "nothing"
        raise RegardError(
            f"{shown(folder)}: expected one folder for each class, with its images inside; "
            f"found {what}"
        )
    named = sorted((text_name(path), path) for path in listing.folders)
    return dict(named)


def _require_same(folder: Path, role: str, names: set[str], train: set[str]) -> None:
    if names == train:
        return
    sides = (("train", sorted(train - names)), (role, sorted(names - train)))
    text = "; ".join(f"only in {side}: {shown_some(only, 5)}" for side, only in sides if only)
    raise RegardError(f"{shown(folder)}: train and {role} have different classes; {text}")
