"""How the shipped weights came about: ``python -m regard.explaining.recipe cmn.txt FOLDER``.

``cmn.txt`` is the English-Mandarin file of Tatoeba as manythings.org/anki offers it: sentence,
translation and attribution between tabs (CC-BY 2.0 France). One network learns both directions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.text import Vocabulary
from ..data.text.vocabulary import BEGIN, END, PAD
from ..data.text.words import split_words
from ..errors import RegardError
from .pieces import ids_of, split_pieces
from .shipped import OTHER_SCORES, Shipped, both_of, build

MOST_TOKENS, LONGEST, BATCH, RATE = 7000, 16, 128, 4e-3
EPOCHS = 8  # of the network; each other score, some hundred numbers, gets one of a part
PART = 4
Pair = tuple[list[int], list[int]]


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """English and Chinese of each line; RegardError for a file that is not such."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    parts = [line.split("\t") for line in lines if line.count("\t") >= 1]
    if not parts:
        raise RegardError(f"{path} has no pairs; lines of English, a tab and Chinese would work")
    return [(part[0], part[1]) for part in parts]


def learn_vocabulary(pairs: list[tuple[str, str]]) -> Vocabulary:
    """The commonest words and characters of both, in lower case; letters for all other words."""
    words = [word.strip().lower() for pair in pairs for text in pair for word in split_words(text)]
    found = Vocabulary.of_words(words, "words", MOST_TOKENS, 2).tokens[4:]
    letters = [letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789" if letter not in found]
    return Vocabulary([*found, *letters], "words")


def encode(pairs: list[tuple[str, str]], vocabulary: Vocabulary) -> list[Pair]:
    """Numbers of both sides of the pairs that are short enough."""
    known = set(vocabulary.tokens[4:])
    rows = ([ids_of(split_pieces(text, known), vocabulary) for text in pair] for pair in pairs)
    return [(a, b) for a, b in rows if 0 < len(a) <= LONGEST and 0 < len(b) <= LONGEST]


def batches(pairs: list[Pair], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of pairs of about one length, one way and the other, in an order of the seed."""
    numbers = torch.Generator().manual_seed(seed)
    both = [*pairs, *((b, a) for a, b in pairs)]
    noise = torch.rand(len(both), generator=numbers)
    order = sorted(range(len(both)), key=lambda i: max(map(len, both[i])) + float(noise[i]))
    starts = torch.randperm(-(-len(both) // BATCH), generator=numbers) * BATCH
    for start in starts.tolist():
        rows = [both[i] for i in order[start : start + BATCH]]
        yield padded([a for a, _ in rows]), padded([[BEGIN, *b, END] for _, b in rows])


def padded(rows: list[list[int]]) -> Tensor:
    """Rows side by side, ``[B, N]``."""
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=PAD)


def loss_of(shipped: Shipped, source: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of the next token, with a tenth of label smoothing."""
    logits = shipped.network(source, target[:, :-1])
    return F.cross_entropy(
        logits.flatten(0, 1), target[:, 1:].flatten(), ignore_index=PAD, label_smoothing=0.1
    )


def train(shipped: Shipped, parameters: list[Any], pairs: list[Pair], epochs: int) -> None:
    """Adam, the rate rising for a fiftieth of all steps and falling to zero."""
    optimiser = torch.optim.Adam(parameters, RATE, betas=(0.9, 0.98))
    total = epochs * sum(1 for _ in batches(pairs, 0))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, 50 * (step + 1) / total) * (1 - step / total)
    )
    for epoch in range(epochs):
        losses = []
        for source, target in batches(pairs, epoch):
            loss = loss_of(shipped, source, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
        mean = torch.stack(losses).mean().item()
        print(f"epoch {epoch + 1} of {epochs}: {mean:.3f}", file=sys.stderr, flush=True)


def fit_score(shipped: Shipped, place: str, name: str, pairs: list[Pair]) -> None:
    """Fit one other score of one attention, all else as it is."""
    network: Any = shipped.network
    layer = (network.encoder if place == "self" else network.decoder).layers[0]
    attention = layer.attention if place == "self" else layer.cross
    usual, attention.core = attention.core, shipped.scores[place][name]  # type: ignore[index]
    if name == "additive":
        torch.nn.init.normal_(attention.core.v, std=0.5)
        for matrix in (attention.core.query, attention.core.key):
            torch.nn.init.normal_(matrix, std=0.5)
    train(shipped, [*attention.core.parameters()], pairs, 1)
    attention.core = usual


def keep(shipped: Shipped, facts: dict[str, Any], folder: Path) -> None:
    """Weights in half precision; vocabulary and facts beside them."""
    from safetensors.torch import save_file

    weights = {n: v.half().contiguous() for n, v in both_of(shipped).state_dict().items()}
    save_file(weights, folder / "translator.safetensors")
    kept = {"facts": facts, "tokens": shipped.vocabulary.tokens[4:]}
    text = json.dumps(kept, ensure_ascii=False, indent=0)
    (folder / "translator.json").write_text(text + "\n", encoding="utf-8")


def main(path: str, folder: str, epochs: str = str(EPOCHS)) -> None:
    """All of it: nine tenths of the English sentences are learned, a tenth is never seen."""
    torch.manual_seed(0)
    pairs = read_pairs(Path(path))
    held = [pair for pair in pairs if _is_held(pair[0])]
    learned = [pair for pair in pairs if not _is_held(pair[0])]
    vocabulary = learn_vocabulary(learned)
    shipped = build(vocabulary)
    rows = encode(learned, vocabulary)
    train(shipped, [*shipped.network.parameters()], rows, int(epochs))
    for place in ("self", "cross"):
        for name in OTHER_SCORES:
            fit_score(shipped, place, name, rows[::PART])
    keep(shipped, describe(shipped, rows, encode(held, vocabulary)), Path(folder))


def describe(shipped: Shipped, learned: list[Pair], held: list[Pair]) -> dict[str, Any]:
    """What the page says of the training."""
    found = [_right(shipped, *batch) for batch in batches(held, 0)]
    share = sum(right for right, _ in found) / sum(count for _, count in found)
    return {"learned": len(learned), "held": len(held), "share": round(share, 3)}


@torch.no_grad()
def _right(shipped: Shipped, source: Tensor, target: Tensor) -> tuple[int, int]:
    guessed = shipped.network(source, target[:, :-1]).argmax(-1)
    real = target[:, 1:] != PAD
    return int(((guessed == target[:, 1:]) & real).sum()), int(real.sum())


def _is_held(english: str) -> bool:
    """A tenth of the English sentences, whatever their translations."""
    return sum(english.encode()) % 10 == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
