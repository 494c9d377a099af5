"""What a page on text is of: a network, how texts go into it, its attention, and its story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import nn

from ..errors import RegardError
from ..mechanisms.multihead import MultiHeadAttention
from ..page import Markup

MOST = 64  # tokens of a text: more would not fit a page that shows every number


class Read(NamedTuple):
    """A text's tokens, as they are shown and as a network gets them."""

    tokens: list[str]
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page on text is of.

    Args:
        network: in eval mode; it takes ids ``[1, N]``, with a decoder also those of a target.
        attention: that of the first encoder layer, ``self``, and the first decoder layer's over
            the encoder, ``cross``, if there is a decoder.
        read: a text and its side, ``source`` or ``target``, as tokens; what a text is called in
            an error comes third.
        story: what it was trained on and how well it does, in both languages.
        scores: place → name → scores that were fitted afterwards, beside the network's own.
        own: it is the user's own network, not the one that ships.
        plain: what enters the attention is the sum of embedding and position, nothing between.
    """

    network: nn.Module
    attention: Mapping[str, MultiHeadAttention]
    read: Callable[[str, str, str], Read]
    story: Markup
    scores: Mapping[str, Mapping[str, nn.Module]] = field(default_factory=dict)
    own: bool = False
    plain: bool = True


def require_text(text: str, what: str) -> None:
    """RegardError for what is no text at all."""
    if not isinstance(text, str) or not text.strip():
        raise RegardError(f'{what} is {text!r}; a few words such as "Thinking Machines" would work')


def require_count(count: int, what: str) -> None:
    """RegardError for more tokens than a page has room for."""
    if count > MOST:
        raise RegardError(
            f"{what} has {count:,} tokens; a page shows every number of up to {MOST} tokens"
        )
