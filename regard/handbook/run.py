"""A comparison kept for the documentation: its results.csv, and what must be said beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ..comparison import Comparison
from ..comparison.statistics import paired_differences
from ..comparison.verdict import Difference
from ..errors import RegardError

RESULTS, ABOUT = "results.csv", "run.json"
PLAIN = "none"


@dataclass(frozen=True)
class Run:
    """What a comparison found.

    Args:
        accuracies: arm → seed → test accuracy, a fraction; the plain network is ``none``.
        about: command, machine, date, data, network, budget, delta, controls and costs.
    """

    accuracies: Mapping[str, Mapping[int, float]]
    about: Mapping[str, Any]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Each mechanism against the plain network, corrected for their number."""
        return self._against_plain([a for a in self.accuracies if a not in self.about["controls"]])

    @property
    def controls(self) -> tuple[Difference, ...]:
        """Each control against the plain network, a family of their own."""
        return self._against_plain([PLAIN, *self.about["controls"]])

    def _against_plain(self, arms: list[str]) -> tuple[Difference, ...]:
        table = {arm: self.accuracies[arm] for arm in arms}
        return paired_differences(table, PLAIN, delta=self.about["delta"])


def read(folder: Path) -> Run:
    """A kept run.

    Raises:
        RegardError: if a file is missing or damaged.
    """
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        found: dict[str, dict[int, float]] = {}
        with (folder / RESULTS).open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                found.setdefault(row["arm"], {})[int(row["seed"])] = float(row["accuracy"])
        run = Run(found, about)
        if not run.differences:
            raise KeyError("a mechanism beside the plain network")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegardError(
            f"{folder} holds no run that can be shown: {type(error).__name__}: {error}; "
            f"python -m regard.handbook --keep FOLDER writes one from what compare wrote"
        ) from error
    return run


def keep(comparison: Path, folder: Path, command: str, machine: str) -> None:
    """Keep a finished comparison for the documentation.

    Args:
        comparison: folder that ``regard compare`` wrote.
        folder: where it is kept.
        command: that made it.
        machine: it ran on.

    Raises:
        RegardError: if it is no comparison or not finished.
    """
    found = Comparison.load(comparison)
    done, total = found.done
    if done < total:
        raise RegardError(f"{comparison}: {done} of {total} trials are finished; finish it first")
    costs = {
        label: {n: cost[n] for n in ("parameters", "macs_per_sample")}
        for label, cost in found.grid["costs"].items()
    }
    about = {
        "command": command,
        "machine": machine,
        "date": date.today().isoformat(),
        "host": found.grid["host"],
        "data": found.grid["data"]["text"],
        "budget": found.grid["budget"],
        "delta": found.grid["delta"],
        "controls": [arm.label for arm in found.arms if arm.control],
        "costs": costs,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_text(found.csv(), encoding="utf-8")
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / ABOUT).write_text(f"{text}\n", encoding="utf-8")
