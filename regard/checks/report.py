"""The result of a check."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from .. import page

Status = Literal["passed", "failed", "waived", "not applicable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one rule; ``why`` is the failure, the card's reason, or why it says nothing."""

    rule: str
    status: Status
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all rules for one mechanism."""

    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """Whether no rule failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The rules that failed."""
        return tuple(o for o in self.outcomes if o.status == "failed")

    def rows(self) -> list[tuple[str, str, str]]:
        """Rule, status and reason."""
        return [(o.rule, o.status, o.why) for o in self.outcomes]

    def table(self) -> str:
        """The rows as aligned text under a line that counts them."""
        return "\n".join([self._headline(), page.aligned(self.rows())])

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def json(self) -> str:
        """All outcomes as JSON."""
        facts = {"name": self.name, "passed": self.passed}
        return json.dumps({**facts, "outcomes": [asdict(o) for o in self.outcomes]}, indent=2)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.json() + "\n", encoding="utf-8")

    def _headline(self) -> str:
        counts = Counter(o.status for o in self.outcomes)
        return f"{self.name}: " + ", ".join(f"{n} {status}" for status, n in counts.items())

    def _repr_html_(self) -> str:
        return str(page.table(("rule", "result", "why"), self.rows(), self._headline()))

    __str__ = table
