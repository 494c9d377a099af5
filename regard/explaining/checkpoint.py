"""A network of one's own as what a page is of: a Transformer that `regard train` kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ..comparison.trained import Trained
from ..data.tree import shown
from ..errors import RegardError
from ..mechanisms.multihead import MultiHeadAttention
from ..networks.sequences.layers import DecoderLayer, EncoderLayer
from ..networks.sequences.positions import Positions
from ..tasks.codec import Codec
from ..tasks.labeller import TaggingCodec
from ..tasks.text import shown_tokens
from .subject import Read, Subject, require_count, require_text
from .wording import said

WIDEST = 256  # a page carries every weight of one attention
_POSITIONS = ("none", "sinusoidal", "learned")


def load_subject(folder: str | Path, *, run_code: bool = False) -> Subject:
    """The first layer of a Transformer on texts.

    Args:
        folder: that ``regard train`` kept it in.
        run_code: as of :meth:`regard.comparison.Trained.load`.

    Raises:
        RegardError: for a folder without a network, and for one whose attention a page cannot
            compute: it has none, its score, positions or width are others.
    """
    trained = Trained.load(folder, run_code=run_code)
    if not isinstance(trained.codec, Codec):
        raise RegardError(f"{shown(folder)} holds a network for images; give it an image")
    attention = _attention_of(trained.model)
    _require(trained.model, attention, shown(folder))
    first = next(m for m in trained.model.modules() if isinstance(m, EncoderLayer))
    return Subject(
        trained.model,
        attention,
        _reader(trained.codec),
        _story(trained),
        own=True,
        plain=not first.around_attention.first,
    )


def _attention_of(model: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in model.modules():
        if isinstance(module, EncoderLayer):
            found.setdefault("self", module.attention)
        if isinstance(module, DecoderLayer):
            found.setdefault("cross", module.cross)
    return found


def _require(model: nn.Module, attention: dict[str, Any], folder: str) -> None:
    """RegardError where the page's arithmetic would be another than the network's."""
    odd = [p.name for p in model.modules() if isinstance(p, Positions) and not _is_plain(p)]
    why = ""
    if "self" not in attention:
        why = "has no layer of a Transformer's encoder"
    elif not all(isinstance(a, MultiHeadAttention) and _is_shown(a) for a in attention.values()):
        why = "attends in another way than by multihead with dot, cosine or additive scores"
    elif odd:
        why = f"has {odd[0]} positions, which go into the scores themselves"
    elif attention["self"].dim > WIDEST:
        why = f"is {attention['self'].dim} wide, and a page carries every weight up to {WIDEST}"
    if why:
        raise RegardError(
            f"{folder}: this network {why}\na page can be of one such as `regard train DATA --on "
            '"transformer(positions=sinusoidal)" --dim 64` keeps'
        )


def _is_shown(attention: MultiHeadAttention) -> bool:
    score = attention.core.score
    return score in ("dot", "scaled_dot", "cosine", "additive") and not attention.residual


def _is_plain(positions: Positions) -> bool:
    return positions.name in _POSITIONS


def _reader(codec: Codec) -> Any:
    """How texts go in: as they do in `regard predict`."""
    sides = list(codec.vocabularies)

    def read(text: str, side: str, what: str) -> Read:
        require_text(text, what)
        vocabulary = codec.vocabularies[side if side in sides else sides[0]]
        if isinstance(codec, TaggingCodec):
            tokens = text.split()
            ids = codec.ids([tokens]).values.tolist()
        else:
            ids = vocabulary.encode(text)
            tokens = list(shown_tokens(vocabulary, ids))
        require_count(len(ids), what)
        return Read(tokens, ids)

    return read


def _story(trained: Trained) -> Any:
    """What it was trained on and how well it does."""
    name = trained.about["data"]["name"]
    measures = ", ".join(f"{n} {v:.3f}" for n, v in trained.about["measures"].items())
    return said("own", data=name, kind=trained.codec.kind, measures=measures)
