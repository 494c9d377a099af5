"""Without positions self-attention knows no order; with any kind of positions it learns one.

    python examples/order.py

1. Shuffle the tokens, encode, put the vectors back in order: without positions nothing has changed
   (Lee et al. 2019, arXiv:1810.00825, property 1), but for the rounding of sums in another order.
2. Learn the embedded reviews, where the order of words alone decides: every text has a twin with
   the same words and the other label, so that who knows no order is right half of the time.
"""

from __future__ import annotations

import torch
from trials import options, percent, show, trained

from regard.networks.sequences import build_encoder
from regard.tasks import Network, Task, open_task
from regard.training import Budget

POSITIONS = ("none", "sinusoidal", "learned", "rotary", "alibi", "t5_bias")
DIM, HEADS = 64, 4


@torch.no_grad()
def change(positions: str, tokens: int = 20) -> float:
    """How much the vectors change, at most, when the tokens are shuffled; they are about 1."""
    torch.manual_seed(0)
    encoder = build_encoder(
        "transformer", 100, DIM, heads=HEADS, positions=positions, dtype=torch.float64
    ).eval()
    for weight in encoder.parameters():  # T5's bias and others begin at zero
        weight.add_(0.1 * torch.randn_like(weight))
    ids, order = torch.randint(1, 100, (8, tokens)), torch.randperm(tokens)
    return float((encoder(ids)[:, order] - encoder(ids[:, order])).abs().max())


def accuracy(task: Task, positions: str, budget: Budget, seed: int) -> float:
    """The share of reviews that are understood."""
    settings = {"layers": 1, "heads": HEADS, "positions": positions, "dropout": 0.0}
    network = Network(name="transformer", options=settings)
    return trained(task, network, budget, seed)[1].accuracy


def main() -> None:
    """Both parts, as tables."""
    given = options(__doc__, seeds=5).parse_args()
    budget = Budget(epochs=1 if given.quick else 8, batch=32, rate=2e-3)
    task = open_task("reviews", dim=DIM)
    rows = [("positions", "change by shuffling", "accuracy in %, 95 % interval over seeds")]
    for positions in POSITIONS:
        found = [accuracy(task, positions, budget, seed) for seed in range(given.seeds)]
        rows.append((positions, f"{change(positions):.1e}", percent(found)))
    show(f"self-attention, {given.seeds} seeds", rows)


if __name__ == "__main__":
    main()
