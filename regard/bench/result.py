"""The result of a benchmark: one value with the verbs of every result."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import RegardError
from ..page import aligned, printable
from ..training.checkpoint import write_whole
from .findings import COLUMNS, Row, Wrong
from .reporting import report
from .scope import PARTS, Part
from .wording import RATIOS, growth, memory, notes, summary, times


def place_for(path: str | Path) -> Path:
    """A path that a benchmark can be saved to, looked at before minutes are spent.

    Raises:
        RegardError: for a suffix other than ``.csv``, ``.json`` or ``.html``, or without its
            folder.
    """
    place = Path(path).expanduser()
    if place.suffix not in (".csv", ".json", ".html"):
        raise RegardError(f"{path}: a benchmark is saved as .csv, .json or .html")
    if not place.parent.is_dir():
        raise RegardError(f"{path} cannot be written: there is no folder {place.parent}")
    return place


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What was measured.

    Args:
        rows: one a case; none where something of ours is wrong.
        wrong: contenders that do not compute what they should.
        conditions: machine, versions, threads, type and limits, by name.
    """

    rows: tuple[Row, ...]
    wrong: tuple[Wrong, ...]
    conditions: Mapping[str, str | int | float]

    @property
    def passed(self) -> bool:
        """Whether everything that was looked at computes what it should."""
        return not self.wrong

    def part(self, part: Part) -> tuple[Row, ...]:
        """The cases of ``modules``, ``networks`` or ``growth``."""
        return tuple(row for row in self.rows if row.case.part == part)

    def table(self) -> str:
        """What is wrong; then times and ratios, memory, growth, notes and conditions."""
        modules, networks, grown = (self.part(part) for part in PARTS)
        found = [make(rows) for make in (times, memory) for rows in (modules, networks)]
        tables = [aligned(lines) for lines in (*found, growth(grown)) if lines]
        wrong = [one.sentence() for one in self.wrong]
        if wrong and not self.rows:
            wrong.append("nothing was timed")
        said = [*summary((*modules, *networks)), *notes(self.rows)]
        if self.rows:
            said.append(RATIOS)
        said.append("; ".join(f"{name}: {value}" for name, value in self.conditions.items()))
        parts = ["\n".join(wrong), *tables, "\n".join(said)]
        return printable("\n\n".join(part for part in parts if part))

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def csv(self) -> str:
        """One line a contender of a case."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerows(row.lines())
        return text.getvalue()

    def json(self) -> str:
        """Everything as JSON: milliseconds, bytes and ratios; what is not known is null."""
        facts = {
            "passed": self.passed,
            "conditions": dict(self.conditions),
            "wrong": [one.facts() for one in self.wrong],
            "rows": [row.facts() for row in self.rows],
        }
        return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False)

    def html(self) -> str:
        """One page that needs no network, with pictures of the ratios and of what grows."""
        return report(self.rows, self.wrong, self.conditions).html()

    def save(self, path: str | Path) -> None:
        """Write ``.csv``, ``.json`` or ``.html``.

        Raises:
            RegardError: for another suffix, or a file that cannot be written.
        """
        path = place_for(path)
        form = {".csv": self.csv, ".json": self.json, ".html": self.html}[path.suffix]
        write_whole(path, form().encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        return report(self.rows, self.wrong, self.conditions)._repr_html_()

    __str__ = table
