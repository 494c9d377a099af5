"""A context of fixed length collapses on long sentences; attention does not.

    python examples/long_sentences.py

The shape of figure 2 of Bahdanau et al. 2015 (arXiv:1409.0473), on the embedded toy language: a GRU
that reads a sentence into one vector and writes its translation from that, and the same one looking
back, by dot and additive attention. What is counted are sentences without any mistake.
"""

from __future__ import annotations

from typing import Any

from trials import options, percent, show, trained

from regard.tasks import Network, Task, open_task
from regard.training import Budget

ATTENTIONS = ("none", "dot", "additive")


def by_length(task: Task, attention: str, budget: Budget, seed: int) -> list[dict[str, Any]]:
    """Exact matches for each length of the source."""
    network = Network(name="gru", attention=attention)
    return trained(task, network, budget, seed)[1].scores.parts["by_length"]


def main() -> None:
    """A row for each attention, a column for each length."""
    given = options(__doc__, seeds=3).parse_args()
    task = open_task("toy", dim=16 if given.quick else 96)
    budget = Budget(epochs=1 if given.quick else 4, batch=64, rate=5e-3)
    rows: list[list[str]] = []
    for attention in ATTENTIONS:
        runs = [by_length(task, attention, budget, seed) for seed in range(given.seeds)]
        buckets = list(zip(*runs, strict=True))
        if not rows:
            rows.append(["words", *(f"{b[0]['label']} ({b[0]['sentences']})" for b in buckets)])
        rows.append([attention, *(percent(one["exact"] for one in b) for b in buckets)])
    show(f"exact matches in %, by length (sentences), {given.seeds} seeds", rows)


if __name__ == "__main__":
    main()
