"""What a command answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints on standard output, None for not even a line; and its exit code."""

    text: str | None
    code: int = 0


def json_of(facts: Any) -> str:
    """Plain data as JSON to be read."""
    return json.dumps(facts, indent=2, ensure_ascii=False)
