"""Additive attention against the dot product as d grows, with and without 1/√d.

    python examples/scale.py

"For large values of d_k, the dot products grow large in magnitude, pushing the softmax function
into regions where it has extremely small gradients" (Vaswani et al. 2017, arXiv:1706.03762, section
3.2.1), whereas additive attention works without a scale. First the spread of fresh scores and how
much of the largest weight there is, for queries and keys of N(0, 1); then a tagger of one layer and
one head learns the embedded cues with each score at each width.
"""

from __future__ import annotations

import torch
from trials import options, percent, show, trained

import regard
from regard.ops.attention import logits
from regard.tasks import Network, Task, open_task
from regard.training import Budget

SCORES = ("additive", "scaled_dot", "dot")
WIDTHS = (16, 64, 256)


@torch.no_grad()
def fresh(score: str, width: int, keys: int = 24) -> tuple[float, float]:
    """Standard deviation of the scores, and mean of the largest weight."""
    torch.manual_seed(0)
    q, k = torch.randn(2, 64, keys, width)
    core = regard.get(score, width)
    found = logits(q, k, core.score, core.learned())
    return float(found.std()), float(found.softmax(-1).amax(-1).mean())


def accuracies(task: Task, score: str, budget: Budget, seed: int) -> list[float]:
    """The share of words tagged rightly after each epoch; 0.9 for one that never finds the cue."""
    network = Network(
        name="transformer",
        options={"heads": 1, "layers": 1},
        attention="multihead",
        attention_options={"score": score},
    )
    return [epoch["accuracy"] for epoch in trained(task, network, budget, seed)[1].epochs]


def main() -> None:
    """Fresh scores, then accuracy; a row for each score, a column for each width."""
    given = options(__doc__, seeds=3).parse_args()
    widths = WIDTHS[:1] if given.quick else WIDTHS
    head = ["score", *(f"d = {width}" for width in widths)]
    rows = [head]
    for score in SCORES:
        cells = [fresh(score, width) for width in widths]
        rows.append([score, *(f"{spread:.2f}, {100 * top:.0f} %" for spread, top in cells)])
    show("fresh: deviation of the scores, largest of 24 weights", rows)
    budget = Budget(epochs=1 if given.quick else 3, batch=64, rate=3e-3)
    tasks = [open_task("cues", dim=width) for width in widths]
    runs = {
        score: [[accuracies(task, score, budget, s) for s in range(given.seeds)] for task in tasks]
        for score in SCORES
    }
    for epoch in range(budget.epochs):
        rows = [head]
        for score, cells in runs.items():
            rows.append([score, *(percent(run[epoch] for run in cell) for cell in cells)])
        show(f"accuracy on the cues in % after epoch {epoch + 1}, {given.seeds} seeds", rows)


if __name__ == "__main__":
    main()
