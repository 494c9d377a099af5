"""The small translator that ships with the package: its sizes, its weights, its vocabulary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any, cast

from torch import nn

from ..data.text import Vocabulary
from ..mechanisms._scores import core
from ..networks.sequences import LayerSetting, Transformer
from .pieces import ids_of, read_pieces, visible
from .subject import Read, Subject
from .wording import said

DIM, HEADS, HIDDEN = 32, 8, 128
OTHER_SCORES = ("cosine", "additive")  # fitted afterwards, beside the product it learned with


@dataclass(frozen=True, slots=True)
class Shipped:
    """A network with what belongs to it.

    Args:
        network: English to Chinese and back, one layer, in eval mode.
        vocabulary: of both languages.
        scores: for ``self`` and ``cross`` attention, the cores ``cosine`` and ``additive``.
        facts: what it was trained on and how well it does, for the page.
    """

    network: Transformer
    vocabulary: Vocabulary
    scores: nn.ModuleDict
    facts: dict[str, Any]


def build(vocabulary: Vocabulary, facts: dict[str, Any] | None = None) -> Shipped:
    """The network with random weights: D 32, 8 heads of width 4, so that √d is 2."""
    setting = LayerSetting(dim=DIM, heads=HEADS, hidden=HIDDEN, dropout=0.0)
    network = Transformer(len(vocabulary), setting=setting, layers=1, begin=2, end=3)
    scores = nn.ModuleDict(
        {
            place: nn.ModuleDict(
                {name: core(name, DIM // HEADS, HEADS, None, None) for name in OTHER_SCORES}
            )
            for place in ("self", "cross")
        }
    )
    facts = facts or {"learned": 0, "held": 0, "share": 0.0}
    return Shipped(network.eval(), vocabulary, scores.eval(), facts)


def load_shipped() -> Shipped:
    """The network with the weights of the package, which are kept in half precision."""
    from safetensors.torch import load_file

    folder = files("regard.explaining") / "weights"
    kept = json.loads((folder / "translator.json").read_text(encoding="utf-8"))
    found = build(Vocabulary(kept["tokens"], "words"), kept["facts"])
    with as_file(folder / "translator.safetensors") as path:
        weights = {name: value.float() for name, value in load_file(path).items()}
    both_of(found).load_state_dict(weights)
    return found


def subject_of(shipped: Shipped) -> Subject:
    """The network as what a page is of."""

    def read(text: str, side: str, what: str) -> Read:
        pieces = read_pieces(text, shipped.vocabulary, what)
        return Read([visible(piece) for piece in pieces], ids_of(pieces, shipped.vocabulary))

    encoder, decoder = shipped.network.encoder.layers[0], shipped.network.decoder.layers[0]
    return Subject(
        shipped.network,
        {"self": cast(Any, encoder).attention, "cross": cast(Any, decoder).cross},
        read,
        said("trained", **shipped.facts),
        {place: dict(cast(Any, cores).items()) for place, cores in shipped.scores.items()},
    )


def both_of(shipped: Shipped) -> nn.ModuleDict:
    """Network and scores as one module, as they are kept."""
    return nn.ModuleDict({"network": shipped.network, "scores": shipped.scores})
