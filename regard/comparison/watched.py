"""A kept network on text, and one text, as they are looked at."""

from __future__ import annotations

from pathlib import Path

import torch

from ..data.text.vocabulary import BEGIN, END, UNKNOWN
from ..errors import RegardError
from ..networks.sequences import EncoderDecoder, greedy
from ..seeing import Subject, text_subject
from ..tasks.text import shown_tokens
from ..tasks.translator import TranslationCodec
from .trained import ABOUT, Trained

_WRITTEN = 64  # tokens of a translation that are looked at


def is_kept(name: str) -> bool:
    """Whether a name is a folder that ``regard train`` wrote."""
    return (Path(name).expanduser() / ABOUT).is_file()


def kept_subject(folder: str | Path, text: str) -> Subject:
    """A translator and a text, with what it writes by greedy search.

    Args:
        folder: that ``regard train`` wrote.
        text: to be translated.

    Raises:
        RegardError: for another kind of network, or a text without a token.
    """
    place = Path(folder).expanduser()
    trained = Trained.load(place)
    model, codec = trained.model, trained.codec
    if not isinstance(codec, TranslationCodec) or not isinstance(model, EncoderDecoder):
        raise RegardError(f"{folder} is for {codec.kind}; of kept networks only translators work")
    ids = list(codec.source.encode(text))
    if not ids:
        raise RegardError(f"the text {text!r} has no token")
    source = torch.tensor([ids])
    (best,) = greedy(model, source, most=_WRITTEN)
    found = [number for number in best.tokens if number != END]
    written = [BEGIN, *found, END]
    inputs = {"source": source, "target": torch.tensor([written])}
    return text_subject(
        model, place.name, inputs, shown_tokens(codec.source, ids),
        written=("□", *shown_tokens(codec.target, found), "■"), spoken=written, blank=UNKNOWN,
    )  # fmt: skip
