"""Without positions self-attention knows no order, by distances alone no direction.

    python examples/order.py

1. Shuffle the tokens, encode, put the vectors back in order: without positions nothing has changed
   (Lee et al. 2019, arXiv:1810.00825, property 1), but for the rounding of sums in another order.
   The same with mirrored tokens, which have the same distances.
2. Learn which of two words comes first in a text. Every text has a twin with these two exchanged,
   so that who knows no order is right exactly half of the time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from trials import options, percent, show, trained

from regard.data.text import Classification, Labelled, Vocabulary
from regard.networks.sequences import build_encoder
from regard.tasks import ClassificationTask, Network
from regard.tasks.labeller import ClassificationCodec
from regard.training import Budget

POSITIONS = ("none", "sinusoidal", "learned", "rotary", "alibi", "t5_bias")
PAIR = ("ant", "bee")
OTHERS = ("the", "dog", "saw", "a", "red", "house", "near", "its", "old", "tree")
DIM, HEADS, LENGTH = 32, 4, 10


@torch.no_grad()
def change(positions: str, order: Tensor) -> float:
    """How much the vectors, which are about 1, change at most when the tokens are reordered."""
    torch.manual_seed(0)
    encoder = build_encoder(
        "transformer", 100, DIM, heads=HEADS, positions=positions, dtype=torch.float64
    ).eval()
    for weight in encoder.parameters():  # T5's bias and others begin at zero
        weight.add_(0.1 * torch.randn_like(weight))
    ids = torch.randint(1, 100, (8, len(order)))
    return float((encoder(ids)[:, order] - encoder(ids[:, order])).abs().max())


def first_of_two(train: int = 2000, test: int = 1000) -> ClassificationTask:
    """Texts of ten words, with the name of the one of ``PAIR`` that comes first."""
    made = twins(train + test)
    parts = Labelled.of(made[:train], PAIR), Labelled.of(made[train:], PAIR)
    data = Classification(*parts, "which comes first", PAIR)
    known = {"text": Vocabulary.build(data.train.text)}
    codec = ClassificationCodec(vocabularies=known, classes=PAIR, dim=DIM)
    return ClassificationTask(data, codec, "accuracy")


def twins(count: int) -> list[tuple[str, str]]:
    """Texts and labels, no text twice, each followed by its twin; ``count`` is even."""
    numbers = np.random.default_rng(2017)
    found: dict[str, str] = {}
    while len(found) < count:
        words = [OTHERS[k] for k in numbers.integers(len(OTHERS), size=LENGTH)]
        places = sorted(numbers.choice(LENGTH, 2, replace=False))
        for first, last in (PAIR, PAIR[::-1]):
            words[places[0]], words[places[1]] = first, last
            found[" ".join(words)] = first
    return list(found.items())


def accuracy(task: ClassificationTask, positions: str, budget: Budget, seed: int) -> float:
    """The share of texts whose first one is found."""
    settings = {"layers": 1, "heads": HEADS, "positions": positions, "dropout": 0.0}
    network = Network(name="transformer", options=settings)
    return trained(task, network, budget, seed)[1].accuracy


def main() -> None:
    """Both parts, as a table."""
    given = options(__doc__, seeds=5).parse_args()
    budget = Budget(epochs=1 if given.quick else 8, batch=32, rate=3e-3)
    task = first_of_two()
    shuffled = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    rows = [("positions", "change by shuffling", "by mirroring", "accuracy in %")]
    for positions in POSITIONS:
        found = [accuracy(task, positions, budget, seed) for seed in range(given.seeds)]
        moved = change(positions, shuffled), change(positions, torch.arange(20).flip(0))
        rows.append((positions, *(f"{x:.1e}" for x in moved), percent(found)))
    show(f"self-attention, 95 % interval over {given.seeds} seeds", rows)


if __name__ == "__main__":
    main()
