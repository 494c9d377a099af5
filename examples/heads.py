"""One head against eight at equal size: what they learn, and how much a token looks at itself.

    python examples/heads.py [en_ewt-ud-train.conllu.gz]

Several heads are said to keep a token from looking mostly at itself. A tagger with one head and one
with eight, of the same width and so with the same weights in number, learn the embedded cues, or a
file; then the weights on a token's own place are averaged over tokens, heads and layers. A token
that looks everywhere alike would have the share of the last column.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from trials import options, percent, show, trained

from regard.networks.sequences.encoder_decoder import weights_of
from regard.tasks import Network, TextTask, open_task
from regard.training import Budget

DIM = 64


def own_share(model: nn.Module, task: TextTask, texts: int = 256) -> tuple[float, float]:
    """The mean weight of tokens on themselves in test, and that of one that looks everywhere."""
    own, even, count = 0.0, 0.0, 0
    for row in range(min(texts, len(task.encoded["test"].inputs))):
        ids = task.laid_out(task.encoded["test"], np.array([row])).inputs[0]
        weights = torch.stack(list(weights_of(model, ids).values()))  # [layers, 1, h, N, N]
        own += float(weights.diagonal(dim1=-2, dim2=-1).mean((0, 1, 2)).sum())
        even, count = even + 1, count + ids.shape[1]
    return own / count, even / count


def run(task: TextTask, heads: int, budget: Budget, seed: int) -> tuple[float, float, float]:
    """Accuracy, share of attention on a token's own place, and the even share."""
    network = Network(name="transformer", options={"heads": heads})
    model, result = trained(task, network, budget, seed)
    return result.accuracy, *own_share(model, task)


def main() -> None:
    """A row for one head and one for eight."""
    parser = options(__doc__, seeds=5)
    parser.add_argument("data", nargs="?", default="cues", help="cues, or a CoNLL-U file")
    given = parser.parse_args()
    task = open_task(given.data, dim=DIM)
    budget = Budget(epochs=1 if given.quick else 2, batch=64, rate=3e-3)
    rows = [("heads", "accuracy", "attention on itself", "looking everywhere alike")]
    found = {
        heads: np.array([run(task, heads, budget, seed) for seed in range(given.seeds)])
        for heads in (1, 8)
    }
    rows += [(str(heads), *(percent(column) for column in each.T)) for heads, each in found.items()]
    show(f"{given.data}: in %, 95 % interval over {given.seeds} seeds", rows)
    more = found[8] - found[1]
    show("eight heads less one, same seeds", [
        ("accuracy", "attention on itself"), tuple(percent(column) for column in more.T[:2]),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
