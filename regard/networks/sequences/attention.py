"""Attention of the catalogue as a layer of a Transformer: built by name, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from ...catalogue import card, get, names, options_of
from ...errors import RegardError
from .positions import form_of


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSetting:
    """What all layers of a stack have in common.

    Args:
        dim: D, width of the tokens.
        heads: h, of an attention that has heads.
        hidden: width of the feed-forward network.
        norm: ``post`` or ``pre``.
        dropout: share of every branch's output dropped in training.
        activation: of the feed-forward network, ``relu`` or ``gelu``.
        attention: name of the self-attention in the catalogue.
        options: its further options, such as ``{"bias": True}``.
        positions: name of the positions.
        device, dtype: of the parameters.
    """

    dim: int = 512
    heads: int = 8
    hidden: int = 2048
    norm: str = "post"
    dropout: float = 0.1
    activation: str = "relu"
    attention: str = "multihead"
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    positions: str = "sinusoidal"
    device: torch.device | str | None = None
    dtype: torch.dtype | None = None


def self_attention(setting: LayerSetting, causal: bool = False) -> nn.Module:
    """The self-attention of a layer.

    Raises:
        RegardError: for a name that is no attention over tokens, and one that cannot be causal, or
            cannot take the positions, where it should.
    """
    attention = _built(setting.attention, setting, setting.options)
    form = form_of(setting.positions)
    taken = signature(attention.forward).parameters
    hook = {"rotate": "rotate", "bias": "bias"}.get(form)
    if hook and (hook not in taken or (causal and form == "bias" and not steps(attention))):
        able = [n for n in names(takes="tokens") if hook in _takes(n)]
        raise RegardError(
            f"{setting.attention} takes no {setting.positions} positions; these do: "
            f"{', '.join(able)}. none, sinusoidal and learned go with every attention"
        )
    if causal:
        _check_causal(attention, setting)
    return attention


def cross_attention(name: str, setting: LayerSetting) -> nn.Module:
    """The attention of a decoder over what an encoder gives; options are those of the other."""
    options = setting.options if name == setting.attention else {}
    attention = _built(name, setting, options)
    if "key" not in signature(attention.forward).parameters:
        raise RegardError(f"{name} takes one source only; a decoder attends over another")
    return attention


def steps(attention: nn.Module) -> bool:
    """Whether it can go on from kept keys and values, one token after the other."""
    return "past" in signature(attention.forward).parameters and bool(
        getattr(attention, "steps", False)
    )


def _built(name: str, setting: LayerSetting, options: Mapping[str, Any]) -> nn.Module:
    found = card(name)
    if found.takes != "tokens":
        raise RegardError(
            f"{name} takes {found.takes}; a layer wants attention over tokens: "
            f"{', '.join(names(takes='tokens'))}"
        )
    # A bare score with heads takes sources that have heads already.
    headed = "heads" in options_of(found) and found.start != "none"
    given = {"heads": setting.heads, **options} if headed else dict(options)
    return get(name, setting.dim, device=setting.device, dtype=setting.dtype, **given)


def _takes(name: str) -> Mapping[str, Any]:
    return signature(card(name).module.forward).parameters  # type: ignore[attr-defined]


def _check_causal(attention: nn.Module, setting: LayerSetting) -> None:
    """Refuse what lets a later token, or their number, move an earlier output."""
    if "causal" not in signature(attention.forward).parameters:
        able = [n for n in names(takes="tokens") if "causal" in _takes(n)]
        raise RegardError(
            f"{setting.attention} cannot be causal, as a decoder's must; these can: "
            f"{', '.join(able)}"
        )
    weight = next(attention.parameters(), torch.empty(0, device=setting.device))
    if weight.device.type == "meta":
        return
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, setting.dim, generator=numbers).to(weight)
    training = attention.training
    with torch.no_grad():
        attention.eval()
        whole, start = attention(x, causal=True)[:, :3], attention(x[:, :3], causal=True)
    attention.train(training)
    if not torch.allclose(whole.float(), start.float(), rtol=0.03, atol=1e-3):
        raise RegardError(
            f"{setting.attention} gives a token something else where more tokens follow, which a "
            "decoder must not; see its options (sigmoid: offset)"
        )
