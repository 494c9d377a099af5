"""The numbers of one forward pass, as plain data: what enters an attention, and what PyTorch gives.

The page computes everything else from these; what PyTorch gives is there to be compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from ..data.text.vocabulary import BEGIN, UNKNOWN
from ..errors import RegardError
from ..mechanisms.multihead import MultiHeadAttention
from ..ops import attend, using
from .packing import Rows, pack, rounded
from .positions import without_positions
from .subject import Read, Subject

PARTS = ("query", "key", "value", "output")


def numbers_of(subject: Subject, text: str, to: str | None = None) -> dict[str, Any]:
    """All that the page is computed from.

    Args:
        subject: the network.
        text: what is attended over.
        to: the other text, whose tokens ask; by default ``text`` attends over itself.

    Raises:
        RegardError: for an empty or too long text, and a second one for a network that takes one.
    """
    place = "self" if to is None else "cross"
    if place not in subject.attention:
        raise RegardError(f"--to is {to!r}; this network takes one text and has no decoder")
    keys = subject.read(text, "source", "the text")
    queries = keys if to is None else subject.read(to, "target", "--to")
    attention = subject.attention[place]
    with torch.inference_mode(), using("torch"):
        on = _entering(subject, place, keys, queries)
        with without_positions(subject.network):
            off = _entering(subject, place, keys, queries)
        return {
            "place": place,
            "queries": queries.tokens,
            "keys": keys.tokens,
            "unknown": _unknown(keys, queries),
            "heads": attention.heads,
            "native": _native(attention),
            "own": subject.own,
            "plain": subject.plain,
            "inputs": {"on": _sources(*on[:2]), "off": _sources(*off[:2])},
            "weights": {part: rounded(getattr(attention, part).weight.T) for part in PARTS},
            "biases": _biases(attention),
            "scores": _learned(subject, place),
            "torch": {
                "out": rounded(on[2]),
                "z": _expected(subject, place, {"on": on, "off": off}),
            },
        }


def _unknown(*texts: Read) -> list[str]:
    """The tokens, each once, for which the network has no vector of their own."""
    pairs = (pair for text in texts for pair in zip(text.tokens, text.ids, strict=True))
    return list(dict.fromkeys(token for token, number in pairs if number == UNKNOWN))


def _native(attention: MultiHeadAttention) -> dict[str, Any]:
    """The score that the network learned with, as the page's switches have it."""
    score = attention.core.score
    return {"score": "dot" if score == "scaled_dot" else score, "scaled": score == "scaled_dot"}


def _entering(
    subject: Subject, place: str, keys: Read, queries: Read
) -> tuple[Tensor, Tensor, Tensor]:
    """The queries' and the keys' source in a real forward pass, and the output; ``[N, D]`` each."""
    seen: list[Tensor] = []

    def look(module: Any, given: tuple[Tensor, ...], out: Tensor) -> None:
        seen.extend([given[0][0], given[-1][0], out[0]])

    ids = [torch.tensor([keys.ids])]
    if "cross" in subject.attention:
        written = queries.ids[:-1] if place == "cross" else []
        ids.append(torch.tensor([[BEGIN, *written]]))
    hook = subject.attention[place].register_forward_hook(look)
    try:
        subject.network(*ids)
    finally:
        hook.remove()
    return seen[0], seen[1], seen[2]


def _sources(queries: Tensor, keys: Tensor) -> dict[str, list[list[float]]]:
    """What asks is left out where it is what is attended over."""
    found = {"keys": rounded(keys)}
    return found if torch.equal(queries, keys) else {**found, "queries": rounded(queries)}


def _biases(attention: MultiHeadAttention) -> dict[str, list[float]]:
    """Those that there are."""
    layers = {part: getattr(attention, part) for part in PARTS}
    return {part: rounded(layer.bias) for part, layer in layers.items() if layer.bias is not None}


def _cores(subject: Subject, place: str) -> Iterator[tuple[str, Any]]:
    """Scores with something learned: the network's own, and those that were fitted afterwards."""
    own = subject.attention[place].core
    yield from {own.score: own, **subject.scores.get(place, {})}.items()


def _learned(subject: Subject, place: str) -> dict[str, Any]:
    """What the scores cosine and additive learned, for each head."""
    found: dict[str, Any] = {}
    for name, core in _cores(subject, place):
        if name == "cosine":
            (log_scale,) = core.learned()
            found[name] = rounded(log_scale.clamp(max=4.6051702).exp().flatten())
        if name == "additive":
            found[name] = dict(
                zip(("query", "key", "v"), map(rounded, core.learned()), strict=True)
            )
    return found


def _expected(subject: Subject, place: str, inputs: dict[str, Any]) -> dict[str, list[float]]:
    """z of the first token, all heads side by side, by PyTorch under every setting of the page."""
    learned = {name: core.learned() for name, core in _cores(subject, place)}
    scores = {"dot/on": "scaled_dot", "dot/off": "dot"}
    scores |= {name: name for name in ("cosine", "additive") if name in learned}
    found = {}
    for (name, score), causal, positions in product(scores.items(), (False, True), ("on", "off")):
        if causal and place == "cross":
            continue
        q, k, v = _projected(subject.attention[place], *inputs[positions][:2])
        z = attend(q, k, v, score, learned.get(score, ()), causal=causal)  # type: ignore[arg-type]
        key = f"{name}|{'causal' if causal else 'all'}|{positions}"
        found[key] = rounded(z[0, :, 0].flatten())
    return found


def _projected(attention: MultiHeadAttention, queries: Tensor, keys: Tensor) -> list[Tensor]:
    """Q, K and V with heads, ``[1, h, N, d]``."""
    pairs = ((attention.query, queries), (attention.key, keys), (attention.value, keys))
    return [
        layer(x).unflatten(-1, (attention.heads, -1)).transpose(0, 1)[None] for layer, x in pairs
    ]


def packed(numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers with their matrices as bytes, which the page's script unpacks."""
    given = numbers["torch"]
    return {
        **numbers,
        "inputs": {k: _each(matrices) for k, matrices in numbers["inputs"].items()},
        "weights": _each(numbers["weights"]),
        "torch": {**given, "out": pack(given["out"])},
    }


def _each(matrices: dict[str, Rows]) -> dict[str, Any]:
    return {name: pack(rows) for name, rows in matrices.items()}
