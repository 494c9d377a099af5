"""Encoders by name, as baselines and contenders for tagging and classification."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from ...errors import RegardError, nearest
from .attention import LayerSetting
from .attentive import AttentiveEncoder
from .bag import BagOfWords
from .convolutional import ConvolutionalEncoder
from .recurrent import RecurrentEncoder
from .stacks import TransformerEncoder

ENCODERS = ("bag", "convolution", "bigru", "bilstm", "bigru_attention", "transformer")
_NONE: Mapping[str, Any] = MappingProxyType({})


def build_encoder(
    name: str,
    vocabulary: int,
    dim: int = 128,
    layers: int = 2,
    *,
    heads: int = 4,
    attention: str = "multihead",
    options: Mapping[str, Any] = _NONE,
    positions: str = "sinusoidal",
    dropout: float = 0.1,
    length: int = 512,
    pad: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """An encoder whose every layer is ``dim`` wide: ids ``[B, N]``, mask → ``[B, N, dim]``.

    Args:
        name: ``bag`` of words; ``convolution``, kernels of 3; ``bigru`` and ``bilstm``, dim / 2
            each way; ``bigru_attention``, with self-attention on top; ``transformer``, pre-norm,
            hidden 4 dim.
        vocabulary: number of tokens.
        dim, layers: width and number of layers; a bag has none.
        heads, attention, options: of the self-attention, its name in the catalogue.
        positions: of a Transformer: ``none``, ``sinusoidal``, ``learned``, ``rotary``, ``alibi``,
            ``t5_bias``.
        dropout: share dropped in training.
        length: the most tokens that learned positions know.
        pad: id of the padding.

    Raises:
        RegardError: for a name or a size that does not work.
    """
    place: dict[str, Any] = {"device": device, "dtype": dtype}
    given: dict[str, Any] = {"dropout": dropout, "pad": pad, **place}
    if name == "bag":
        return BagOfWords(vocabulary, dim, **given)
    if name == "convolution":
        return ConvolutionalEncoder(vocabulary, dim, dim, layers, **given)
    if name == "transformer":
        setting = LayerSetting(
            dim=dim, heads=heads, hidden=4 * dim, norm="pre", dropout=dropout,
            attention=attention, options=options, positions=positions, **place,
        )  # fmt: skip
        return TransformerEncoder(vocabulary, setting, layers, pad=pad, length=length)
    if name not in ENCODERS:
        raise RegardError(f"no encoder is called {name!r}{nearest(name, ENCODERS)}")
    if dim % 2:
        raise RegardError(f"dim is {dim}; {name} reads both ways and shares it, so it must be even")
    cell = "lstm" if name == "bilstm" else "gru"
    encoder = RecurrentEncoder(vocabulary, dim, dim // 2, layers, cell=cell, **given)
    if name == "bigru_attention":
        return AttentiveEncoder(encoder, attention, heads, options=options, dropout=dropout)
    return encoder
