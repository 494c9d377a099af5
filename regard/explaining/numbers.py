"""The numbers of one forward pass, as plain data: what enters an attention, and what PyTorch gives.

The page computes everything else from these; what PyTorch gives is there to be compared with.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..data.text.vocabulary import BEGIN
from ..mechanisms.multihead import MultiHeadAttention
from ..ops import attend, using
from .pieces import ids_of, read_pieces
from .shipped import HEADS, Shipped, without_positions


def numbers_of(shipped: Shipped, text: str, to: str | None = None) -> dict[str, Any]:
    """All that the page is computed from.

    Args:
        shipped: the network.
        text: what is attended over.
        to: the other text, whose tokens ask; by default ``text`` attends over itself.

    Raises:
        RegardError: for an empty or too long text.
    """
    keys = read_pieces(text, shipped.vocabulary)
    queries = keys if to is None else read_pieces(to, shipped.vocabulary, "--to")
    ids = [torch.tensor([ids_of(pieces, shipped.vocabulary)]) for pieces in (keys, queries)]
    place = "self" if to is None else "cross"
    with torch.inference_mode(), using("torch"):
        on = _entering(shipped, ids, place)
        with without_positions(shipped.network):
            off = _entering(shipped, ids, place)
        return {
            "place": place,
            "queries": queries,
            "keys": keys,
            "heads": HEADS,
            "inputs": {"on": _plain(*on[:2]), "off": _plain(*off[:2])},
            "weights": _weights(_attention(shipped, place)),
            "scores": _learned(shipped, place),
            "torch": {
                "out": _rounded(on[2]),
                "z": _expected(shipped, place, {"on": on, "off": off}),
            },
        }


def _attention(shipped: Shipped, place: str) -> MultiHeadAttention:
    network: Any = shipped.network
    if place == "self":
        return network.encoder.layers[0].attention
    return network.decoder.layers[0].cross


def _entering(shipped: Shipped, ids: list[Tensor], place: str) -> tuple[Tensor, Tensor, Tensor]:
    """The queries' and the keys' source in a real forward pass, and the output; ``[N, D]`` each."""
    seen: list[Tensor] = []

    def look(module: Any, given: tuple[Tensor, ...], out: Tensor) -> None:
        seen.extend([given[0][0], given[-1][0], out[0]])

    source, target = ids
    begun = torch.cat([torch.full((1, 1), BEGIN), target[:, :-1]], 1)
    hook = _attention(shipped, place).register_forward_hook(look)
    try:
        shipped.network(source, begun)
    finally:
        hook.remove()
    return seen[0], seen[1], seen[2]


def _plain(queries: Tensor, keys: Tensor) -> dict[str, list[list[float]]]:
    """What asks is left out where it is what is attended over."""
    found = {"keys": _rounded(keys)}
    return found if torch.equal(queries, keys) else {**found, "queries": _rounded(queries)}


def _weights(attention: MultiHeadAttention) -> dict[str, list[list[float]]]:
    """The four matrices as they stand in X W: a column for each number that comes out."""
    parts = ("query", "key", "value", "output")
    return {part: _rounded(getattr(attention, part).weight.T) for part in parts}


def _learned(shipped: Shipped, place: str) -> dict[str, Any]:
    cosine, additive = (shipped.scores[place][name] for name in ("cosine", "additive"))  # type: ignore[index]
    (log_scale,) = cosine.learned()
    return {
        "cosine": _rounded(log_scale.clamp(max=4.6051702).exp().flatten()),
        "additive": dict(
            zip(("query", "key", "v"), map(_rounded, additive.learned()), strict=True)
        ),
    }


def _expected(shipped: Shipped, place: str, inputs: dict[str, Any]) -> dict[str, list[float]]:
    """z of the first token, all heads side by side, by PyTorch under every setting of the page."""
    cores: Any = shipped.scores[place]
    scores = {"dot/on": "scaled_dot", "dot/off": "dot", "cosine": "cosine", "additive": "additive"}
    found = {}
    for (name, score), causal, positions in product(scores.items(), (False, True), ("on", "off")):
        if causal and place == "cross":
            continue
        q, k, v = _projected(_attention(shipped, place), *inputs[positions][:2])
        learned = cores[score].learned() if score in cores else ()
        z = attend(q, k, v, score, learned, causal=causal)  # type: ignore[arg-type]
        key = f"{name}|{'causal' if causal else 'all'}|{positions}"
        found[key] = _rounded(z[0, :, 0].flatten())
    return found


def _projected(attention: MultiHeadAttention, queries: Tensor, keys: Tensor) -> list[Tensor]:
    """Q, K and V with heads, ``[1, h, N, d]``."""
    pairs = ((attention.query, queries), (attention.key, keys), (attention.value, keys))
    return [
        layer(x).unflatten(-1, (attention.heads, -1)).transpose(0, 1)[None] for layer, x in pairs
    ]


def _rounded(values: Tensor) -> Any:
    """Nine digits: all that float32 has."""
    if values.dim() == 0:
        return float(f"{values.item():.9g}")
    return [_rounded(part) for part in values]
