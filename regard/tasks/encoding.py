"""Encoders for taggers and classifiers, with attention built in or put on top."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import RegardError
from ..networks.sequences import AttentiveEncoder, build_encoder
from .codec import Codec
from .grammar import as_tuple
from .network import Network

HEADS, LAYERS = 4, 2
_ATTENTIVE = ("transformer", "bigru_attention")


def build_on_text(network: Network, codec: Codec, side: str) -> nn.Module:
    """The encoder of a network over the vocabulary of one side.

    An attention given by name takes the place of that of a Transformer; on an encoder that has
    none it is put on top.

    Raises:
        RegardError: if attention is to be taken out of an encoder that is made of it.
    """
    settings = {"layers": LAYERS, **network.settings()}
    settings.pop("pooling", None)
    dim, name = network.size(codec.dim), network.attention
    given: dict[str, Any] = {"length": codec.length, "pad": 0}
    vocabulary = len(codec.vocabularies[side])
    if network.name in _ATTENTIVE:
        if name == "none":
            raise RegardError(
                f"there is no {network.name} without attention; compare it with a network that has "
                f"none: --with convolution,{network.name}"
            )
        if name is not None:
            settings |= {"attention": name, "options": options_of(network)}
        return build_encoder(network.name, vocabulary, dim, **given, **settings)
    heads = settings.pop("heads", HEADS)
    encoder = build_encoder(network.name, vocabulary, dim, **given, **settings)
    if name in (None, "none"):
        return encoder
    dropout = settings.get("dropout", 0.1)
    return AttentiveEncoder(encoder, str(name), heads, options=options_of(network), dropout=dropout)


def options_of(network: Network) -> dict[str, Any]:
    """The options of the attention that is put into a network."""
    return {name: as_tuple(value) for name, value in network.attention_options.items()}
