"""A comparison's folder as data. It may come from somebody else: what is read is checked first."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ..errors import RegardError
from .arms import Arm
from .spec import RESULT, SPEC, TIMING, Spec, code_now, is_stale, read_failure

GRID = "comparison.json"
Names = dict[tuple[str, int], str]
"""Arm and seed → key of the trial."""
Staleness = Literal["yes", "no", "unknown"]
"""Unknown where a file of the host or of the mechanism is not found from here."""

_PARTS: Mapping[str, type | tuple[type, ...]] = {
    "arms": list, "trials": dict, "costs": dict, "data": dict, "kind": str, "measure": str,
    "answers": int, "host": str, "start": str,
    "pretrained": bool, "budget": dict, "delta": float, "device": str,
}  # fmt: skip
_ADDED: Mapping[str, Any] = {"kind": "images", "measure": "accuracy", "answers": 0}
"""What older comparisons did not say; of 0 answers no step is known."""
_COSTS = ("parameters", "macs_per_sample", "latency_ms")


def read_grid(folder: Path) -> dict[str, Any]:
    """What was asked of a comparison: arms, trials, costs, data, host, budget, delta.

    Raises:
        RegardError: if the folder is none of ours, or damaged.
    """
    path = folder / GRID
    try:
        grid: dict[str, Any] = _strict(path.read_text(encoding="utf-8"))
        grid = {**_ADDED, **grid} if isinstance(grid, dict) else grid
    except OSError as error:
        raise RegardError(
            f"{folder} is no folder of `regard compare`: {GRID} cannot be read: {error.strerror}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    try:
        _check_grid(grid)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, str(error)) from None
    return grid


def names_of(grid: Mapping[str, Any]) -> Names:
    """Arm and seed of each trial, with its key, in the order of the arms."""
    return {
        (arm["label"], int(seed)): key
        for arm in grid["arms"]
        for seed, key in grid["trials"].get(arm["label"], {}).items()
    }


def read_trial(folder: Path, measure: str = "accuracy") -> dict[str, Any] | None:
    """A trial's result and its seconds; None if it is not finished.

    Args:
        folder: of the trial.
        measure: a share that its result is to have.

    Raises:
        RegardError: if the result is damaged.
    """
    try:
        result: dict[str, Any] = _strict((folder / RESULT).read_text(encoding="utf-8"))
        _check_result(result, measure)
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RegardError(
            f"{folder / RESULT} is damaged ({error}); remove {folder} and run compare again"
        ) from None
    return {**result, "seconds": _seconds(folder)}


def staleness_of(folders: Mapping[tuple[str, int], Path]) -> dict[tuple[str, int], Staleness]:
    """Whether trials were set up with other code or libraries than there are now."""
    now = cache(code_now)
    words: dict[bool | None, Staleness] = {True: "yes", False: "no", None: "unknown"}
    return {
        name: words[not (folder / SPEC).exists() or is_stale(Spec.load(folder), now)]
        for name, folder in folders.items()
    }


def failures_among(folders: Mapping[tuple[str, int], Path]) -> dict[tuple[str, int], str]:
    """Why trials failed the last time, those that did."""
    found = {name: read_failure(folder) for name, folder in folders.items()}
    return {name: message for name, message in found.items() if message is not None}


def _check_grid(grid: dict[str, Any]) -> None:
    for name, kind in _PARTS.items():
        if not isinstance(grid[name], kind):
            raise TypeError(f"{name} is no {getattr(kind, '__name__', kind)}")
    labels = [Arm(**arm).label for arm in grid["arms"]]
    _require(all(isinstance(label, str) for label in labels), "an arm's label is no text")
    _require(len(set(labels)) == len(labels) > 0, "arms are missing or named twice")
    for seeds in grid["trials"].values():
        for seed, key in seeds.items():
            _require(int(seed) >= 0, "a seed is negative")
            _require(bool(re.fullmatch("[0-9a-f]{16}", key)), "a trial's key is none")
    for cost in grid["costs"].values():
        _require(all(_is_number(cost[name]) for name in _COSTS), "a cost is no number")
        finite = all(math.isfinite(v) for v in cost.values() if isinstance(v, float))
        _require(finite, "a cost is not finite")
        _require(isinstance(cost["measured_with"], str), "measured_with is no text")
    data, budget = grid["data"], grid["budget"]
    _require(bool(re.fullmatch("[0-9a-f]{64}", data["key"])), "the key of the data is none")
    _require(all(isinstance(data[name], str) for name in ("name", "text")), "data are no text")
    numbers = ("epochs", "batch", "rate", "decay")
    _require(all(_is_number(budget[name]) for name in numbers), "the budget is no number")
    _require(0 < grid["delta"] < 1, "delta is no share")
    _require(grid["answers"] >= 0, "answers are fewer than none")


def _check_result(result: dict[str, Any], measure: str) -> None:
    _require(_is_number(result[measure]) and 0 <= result[measure] <= 1, measure)
    _require(_is_number(result["loss"]), "loss")
    _require(all(isinstance(note, str) for note in result["notes"]), "notes")
    numbers = [0.0]
    for epoch in result["epochs"]:
        _require(_is_number(epoch[measure]) and epoch["epoch"] > numbers[-1], "epochs")
        numbers.append(epoch["epoch"])


def _strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    return json.loads(text, parse_constant=refuse)


def _require(sound: bool, what: str) -> None:
    if not sound:
        raise ValueError(what)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _damaged(path: Path, why: str) -> RegardError:
    return RegardError(f"{path} is damaged ({why}); the same regard compare writes it again")


def _seconds(folder: Path) -> float | None:
    try:
        seconds = json.loads((folder / TIMING).read_text(encoding="utf-8"))["seconds"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(seconds) if _is_number(seconds) else None
