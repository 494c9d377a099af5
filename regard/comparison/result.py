"""The result of a comparison, read from its folder: finished or not, one value with a few verbs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import page
from ..errors import RegardError
from ..training.checkpoint import write_whole
from .arms import PLAIN, Arm
from .spec import RESULT, TIMING, Spec, is_stale
from .statistics import Difference, against, headline, paired_differences, summary

GRID = "comparison.json"
COLUMNS = ("arm", "seed", "accuracy", "loss", "seconds", "stale", "trial")


@dataclass(frozen=True)
class Comparison:
    """A comparison as it stands.

    Args:
        folder: where its trials lie.
        grid: what was asked: arms, trials, costs, data, host, budget, delta; as in
            ``comparison.json``.
        results: arm → seed → the trial's result, finished trials only.
        stale: trials that were trained with other code or libraries than there are now.
    """

    folder: Path
    grid: Mapping[str, Any]
    results: Mapping[str, Mapping[int, Mapping[str, Any]]]
    stale: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def load(cls, folder: str | Path) -> Comparison:
        """Read a comparison's folder.

        Raises:
            RegardError: if it is none.
        """
        folder = Path(folder)
        try:
            grid = json.loads((folder / GRID).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RegardError(
                f"{folder} is no folder of `regard compare`: {GRID} cannot be read ({error})"
            ) from None
        results: dict[str, dict[int, Any]] = {}
        stale = set()
        for label, trials in grid["trials"].items():
            for seed, key in trials.items():
                found = _read(folder / "trials" / key)
                if found is not None:
                    results.setdefault(label, {})[int(seed)] = found
                    if is_stale(Spec.load(folder / "trials" / key)):
                        stale.add((label, int(seed)))
        return cls(folder, grid, results, frozenset(stale))

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, the plain network first."""
        return tuple(Arm(**arm) for arm in self.grid["arms"])

    @property
    def accuracies(self) -> dict[str, dict[int, float]]:
        """Arm → seed → test accuracy of the finished trials, a fraction."""
        return {
            arm.label: {s: r["accuracy"] for s, r in self.results.get(arm.label, {}).items()}
            for arm in self.arms
        }

    @property
    def done(self) -> tuple[int, int]:
        """Finished trials and all trials."""
        return sum(map(len, self.results.values())), sum(map(len, self.grid["trials"].values()))

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Each mechanism against the plain network, corrected for their number (Holm)."""
        return self._against(PLAIN, [a for a in self.arms if not a.control])

    @cached_property
    def control_differences(self) -> tuple[Difference, ...]:
        """Each control against the plain network, as a family of their own."""
        plain = [a for a in self.arms if a.label == PLAIN]
        return self._against(PLAIN, plain + [a for a in self.arms if a.control])

    @cached_property
    def controlled(self) -> tuple[Difference, ...]:
        """Mechanisms against the controls that are for them."""
        rows: list[Difference] = []
        candidates = [a for a in self.arms if not a.control and a.label != PLAIN]
        for control in (a for a in self.arms if a.control):
            same = [a for a in candidates if a.mechanism == control.mechanism]
            chosen = same if control.placebo else candidates
            table = {a.label: self.accuracies[a.label] for a in (control, *chosen)}
            rows += against(table, control.label, delta=self.grid["delta"])
        return tuple(rows)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        done, total = self.done
        if done < total:
            return f"{done} of {total} trials are finished. {headline(self.differences)}"
        return headline(self.differences, self.controlled)

    @property
    def notes(self) -> list[str]:
        """What should be known beside the numbers, with the trial it comes from."""
        found = [
            f"{label}, seed {seed}: {note}"
            for label, seeds in self.results.items()
            for seed, result in seeds.items()
            for note in result["notes"]
        ]
        if self.stale:
            names = sorted({label for label, _ in self.stale})
            found.append(
                f"{len(self.stale)} trials ({', '.join(names)}) are stale: trained with other code "
                f"or library versions than there are now"
            )
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row an arm: accuracy with its interval, difference, verdict and costs."""
        found = {d.arm: d for d in (*self.differences, *self.control_differences)}
        return [self._row(arm, found.get(arm.label)) for arm in self.arms]

    def table(self) -> str:
        """The rows as aligned text."""
        head = ("arm", "accuracy", "difference in points (95%)", "verdict", "params", "MACs", "ms")
        lines = [head, *(shown_row(row) for row in self.rows())]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def show(self) -> None:
        """Print headline, table, verdicts in words and notes."""
        print(self.headline, self.table(), self.words(), sep="\n\n")

    def words(self) -> str:
        """A sentence for each mechanism and each control, and the notes."""
        rows = (*self.differences, *self.control_differences)
        return "\n".join([*(d.sentence() for d in rows), *(f"note: {n}" for n in self.notes)])

    def csv(self) -> str:
        """One line a finished trial."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for label, seeds in self.results.items():
            for seed, result in sorted(seeds.items()):
                key = self.grid["trials"][label][str(seed)]
                stale = "yes" if (label, seed) in self.stale else "no"
                numbers = (result["accuracy"], result["loss"], result["seconds"])
                writer.writerow([label, seed, *numbers, stale, key])
        return text.getvalue()

    def json(self) -> str:
        """Headline, rows, differences and controls as JSON."""
        facts = {
            "headline": self.headline,
            "done": self.done,
            "rows": self.rows(),
            "differences": [d.facts() for d in self.differences],
            "controls": [d.facts() for d in (*self.control_differences, *self.controlled)],
            "notes": self.notes,
        }
        return json.dumps(facts, indent=2)

    def save(self, path: str | Path) -> None:
        """Write the trials as ``.csv`` or everything as ``.json``."""
        path = Path(path)
        if path.suffix not in (".csv", ".json"):
            raise RegardError(f"{path}: a comparison is saved as .csv or .json")
        write_whole(path, (self.csv() if path.suffix == ".csv" else self.json()).encode())

    def _repr_html_(self) -> str:
        rows = [shown_row(row) for row in self.rows()]
        columns = ("arm", "accuracy", "difference (points)", "verdict", "params", "MACs", "ms")
        return (
            page.Page("Comparison", lead=self.headline)
            .add("Arms", page.table(columns, rows, caption="All arms"))
            ._repr_html_()
        )

    def _against(self, baseline: str, arms: list[Arm]) -> tuple[Difference, ...]:
        table = {a.label: self.accuracies[a.label] for a in arms}
        return paired_differences(table, baseline, delta=self.grid["delta"])

    def _row(self, arm: Arm, difference: Difference | None) -> dict[str, Any]:
        values = list(self.accuracies[arm.label].values())
        mean, low, high = summary(values) if values else (None, None, None)
        return {
            "arm": arm.label,
            "control": arm.control,
            "trials": len(values),
            "accuracy": mean,
            "accuracy_low": _finite(low),
            "accuracy_high": _finite(high),
            "difference": None if difference is None else difference.facts(),
            "cost": self.grid["costs"].get(arm.label),
        }


def shown_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A row of a comparison as the text of a table."""
    difference, cost = row["difference"], row["cost"]
    size, verdict = "", ""
    if difference is not None:
        verdict = difference["verdict"].replace("δ", f"{100 * difference['delta']:g}")
        if difference["mean"] is not None:
            size = f"{100 * difference['mean']:+.2f}"
        if difference["low"] is not None:
            size += f"  [{100 * difference['low']:+.2f}, {100 * difference['high']:+.2f}]"
    accuracy = "" if row["accuracy"] is None else f"{100 * row['accuracy']:.2f} % ({row['trials']})"
    costs = ("", "", "")
    if cost is not None:
        costs = (
            f"{cost['parameters']:,}",
            f"{cost['macs_per_sample'] / 1e6:.2f} M",
            f"{cost['latency_ms']:.2f}",
        )
    return (row["arm"], accuracy, size.replace("-", "−"), verdict, *costs)


def _finite(value: float | None) -> float | None:
    return None if value is None or abs(value) == float("inf") else value


def _read(folder: Path) -> dict[str, Any] | None:
    """A trial's result with its time, None if it is not finished."""
    try:
        result: dict[str, Any] = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        timing = json.loads((folder / TIMING).read_text(encoding="utf-8"))
    except OSError:
        return None
    except ValueError as error:
        raise RegardError(f"{folder / RESULT} is damaged: {error}; remove the folder") from None
    return {**result, "seconds": timing["seconds"]}
