"""The result of a comparison, read from its folder: finished or not, one value with a few verbs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import page
from ..errors import RegardError
from ..page import aligned, printable
from ..training.checkpoint import write_whole
from .arms import Arm, placebo_label
from .measures import facts_of, names_in, signatures, tables
from .reading import Staleness, failures_among, names_of, read_grid, read_trial, staleness_of
from .statistics import differences_of, paired_differences, summary
from .verdict import Difference, headline
from .wording import head_of, shown_row

_STALE: Mapping[Staleness, str] = {
    "yes": "stale, trained with other code or library versions than there are now; the same "
    "compare trains them anew",
    "unknown": "whether they are stale cannot be told from here, for a file of the network or of "
    "the mechanism is not found; go to the folder where compare was run",
}
_TOLD = ("kind", "measure", "host", "start", "budget", "delta", "device", "data")


@dataclass(frozen=True)
class Comparison:
    """A comparison as it stands.

    Args:
        folder: where its trials lie.
        grid: what was asked: arms, trials, costs, data, host, budget, delta; as in
            ``comparison.json``.
        results: arm → seed → the trial's result, finished trials only.
        stale: for finished trials, whether they were trained with other code or libraries than
            there are now.
        failures: trials that failed the last time, and why.
    """

    folder: Path
    grid: Mapping[str, Any]
    results: Mapping[str, Mapping[int, Mapping[str, Any]]]
    stale: Mapping[tuple[str, int], Staleness] = field(default_factory=dict)
    failures: Mapping[tuple[str, int], str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path) -> Comparison:
        """Read a comparison's folder. Nothing that it names is run.

        Raises:
            RegardError: if it is none, or damaged.
        """
        return cls.of(Path(folder), read_grid(Path(folder)))

    @classmethod
    def of(cls, folder: Path, grid: Mapping[str, Any]) -> Comparison:
        """Read the trials of what was asked."""
        folders = {name: folder / "trials" / key for name, key in names_of(grid).items()}
        results: dict[str, dict[int, Any]] = {}
        finished = {}
        for (label, seed), path in folders.items():
            found = read_trial(path, grid["measure"])
            if found is not None:
                results.setdefault(label, {})[seed] = found
                finished[label, seed] = path
        unfinished = {name: path for name, path in folders.items() if name not in finished}
        return cls(folder, grid, results, staleness_of(finished), failures_among(unfinished))

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, the one first that the others are compared with."""
        return tuple(Arm(**arm) for arm in self.grid["arms"])

    @property
    def reference(self) -> str:
        """Label of the arm that the others are compared with: the plain network, if it is there."""
        return self.arms[0].label

    @property
    def measure(self) -> str:
        """What is compared: ``accuracy``, ``exact``, ``bleu``, …"""
        return str(self.grid["measure"])

    @cached_property
    def values(self) -> dict[str, dict[int, float]]:
        """Arm → seed → the measure on test of the finished trials, a fraction."""
        return {
            arm.label: {s: r[self.measure] for s, r in self.results.get(arm.label, {}).items()}
            for arm in self.arms
        }

    @property
    def done(self) -> tuple[int, int]:
        """Finished trials and all trials."""
        return sum(map(len, self.results.values())), len(names_of(self.grid))

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Each arm against the reference, corrected for their number (Holm)."""
        return self._against_reference([a for a in self.arms if not a.control])

    @cached_property
    def control_differences(self) -> tuple[Difference, ...]:
        """Each control against the reference, as a family of their own."""
        rows = [a for a in self.arms if a.control or a.label == self.reference]
        return self._against_reference(rows)

    @cached_property
    def controlled(self) -> tuple[Difference, ...]:
        """Mechanisms against the controls that are for them.

        Each control is a family of its own (Holm), and all placebos together are one.
        """
        rows: list[Difference] = []
        candidates = [a.label for a in self.arms[1:] if not a.control]
        controls = [a for a in self.arms if a.control]
        families = [[(c, a.label) for c in candidates] for a in controls if not a.placebo]
        placebos = {a.label for a in controls if a.placebo}
        families.append([(c, p) for c in candidates if (p := placebo_label(c)) in placebos])
        for pairs in families:
            rows += differences_of(self.values, pairs, **self._asked)
        return tuple(rows)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        done, total = self.done
        if not done:
            return f"No trial of {total} is finished yet."
        if done < total:
            return f"{done} of {total} trials are finished. {headline(self.differences)}"
        return headline(self.differences, self.controlled)

    @property
    def notes(self) -> list[str]:
        """What should be known beside the numbers, with the trial it comes from."""
        found = [
            f"{label}, seed {seed} failed: {message}; the same compare tries it again"
            for (label, seed), message in self.failures.items()
        ]
        for word, why in _STALE.items():
            trials = [label for (label, _), state in sorted(self.stale.items()) if state == word]
            if trials:
                count = "1 trial" if len(trials) == 1 else f"{len(trials)} trials"
                found.append(f"{count} ({', '.join(dict.fromkeys(trials))}): {why}")
        for label, seeds in self.results.items():
            for seed, result in seeds.items():
                found += [f"{label}, seed {seed}: {note}" for note in result["notes"]]
        return found

    def measures(self) -> list[str]:
        """Names of all shares that the finished trials were measured by; the compared one first."""
        return names_in(self.results, self.measure)

    def rows(self) -> list[dict[str, Any]]:
        """One row an arm: the measure with its interval, difference, verdict and costs."""
        found = {d.arm: d for d in (*self.differences, *self.control_differences)}
        return [self._row(arm, found.get(arm.label)) for arm in self.arms]

    def table(self) -> str:
        """The rows as aligned text."""
        return aligned([head_of(self.measure), *(shown_row(row) for row in self.rows())])

    def words(self) -> str:
        """A sentence for each mechanism and each control that has trials, and the notes."""
        rows = (*self.differences, *self.control_differences)
        sentences = [d.sentence() for d in rows if d.n]
        return "\n".join([*sentences, *(f"note: {n}" for n in self.notes)])

    def text(self) -> str:
        """Headline, table, verdicts in words, notes, and what was done to the data."""
        further = [aligned(rows) for rows in tables(self.results, self.measures())]
        how = "\n".join(signatures(self.results))
        data = self.grid["data"]["text"]
        parts = (self.headline, self.table(), *further, self.words(), data, how)
        return printable("\n\n".join(part for part in parts if part))

    def show(self) -> None:
        """Print the text."""
        print(self.text())

    def csv(self) -> str:
        """One line a finished trial."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        names = self.measures()
        writer.writerow(["arm", "seed", *names, "loss", "seconds", "stale", "trial"])
        for (label, seed), key in names_of(self.grid).items():
            result = self.results.get(label, {}).get(seed)
            if result is not None:
                numbers = (result.get(name) for name in (*names, "loss", "seconds"))
                writer.writerow([label, seed, *numbers, self.stale[label, seed], key])
        return text.getvalue()

    def json(self) -> str:
        """Headline, rows, differences and controls as JSON."""
        facts = {
            "headline": self.headline,
            "done": self.done,
            **{n: self.grid[n] for n in _TOLD},
            "rows": self.rows(),
            **facts_of(self.results, self.measures()),
            "differences": [d.facts() for d in self.differences],
            "controls": [d.facts() for d in (*self.control_differences, *self.controlled)],
            "notes": self.notes,
        }
        return json.dumps(facts, indent=2, allow_nan=False)

    def save(self, path: str | Path) -> None:
        """Write the trials as ``.csv`` or everything as ``.json``."""
        path = Path(path)
        if path.suffix not in (".csv", ".json"):
            raise RegardError(f"{path}: a comparison is saved as .csv or .json")
        text = self.csv() if path.suffix == ".csv" else self.json()
        write_whole(path, text.encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        rows = [shown_row(row) for row in self.rows()]
        made = page.Page("Comparison", lead=self.headline)
        head = head_of(self.measure)
        return made.add("Arms", page.table(head, rows, caption="All arms"))._repr_html_()

    def _against_reference(self, arms: list[Arm]) -> tuple[Difference, ...]:
        table = {a.label: self.values[a.label] for a in arms}
        return paired_differences(table, self.reference, **self._asked)

    @property
    def _asked(self) -> dict[str, float]:
        """What differences are judged by."""
        answers = self.grid["answers"]
        return {"delta": self.grid["delta"], "step": 1 / answers if answers else 0.0}

    def _row(self, arm: Arm, difference: Difference | None) -> dict[str, Any]:
        values = list(self.values[arm.label].values())
        mean, low, high = summary(values) if values else (None, None, None)
        return {
            "arm": arm.label,
            "control": arm.control,
            "trials": len(values),
            "measure": self.measure,
            self.measure: mean,
            f"{self.measure}_low": _finite(low),
            f"{self.measure}_high": _finite(high),
            "difference": None if difference is None else difference.facts(),
            "cost": self.grid["costs"].get(arm.label),
        }


def _finite(value: float | None) -> float | None:
    return None if value is None or abs(value) == float("inf") else value
