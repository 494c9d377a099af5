"""The self-attention of a model, layer by layer, for what flows through all of it."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import RegardError
from ..maps import Map


def stack_of(maps: Iterable[Map], asked: str) -> list[Map]:
    """The weights among the maps, if they are ``[B, h, N, N]`` or ``[B, N, N]`` of the same tokens.

    Args:
        maps: in the order of the layers.
        asked: what wants them, for the error.

    Raises:
        RegardError: where there are none, or where they are of different tokens.
    """
    layers = [m for m in maps if m.kind == "weights"]
    if not layers:
        raise RegardError(f"{asked} needs weights of queries over keys; none were seen")
    shapes = {(m.values.shape[0], *m.values.shape[-2:]) for m in layers}
    _, queries, keys = next(iter(shapes))
    if len(shapes) > 1 or queries != keys:
        sizes = ", ".join(f"[{batch}, …, {q}, {k}]" for batch, q, k in sorted(shapes))
        raise RegardError(
            f"{asked} follows tokens through layers that keep them; these have weights of {sizes}"
            '\nOne stack, such as maps["encoder.**"], works; for windows (Swin), grad_cam does'
        )
    if any(m.values.dim() > 4 for m in layers):
        raise RegardError(
            f"{asked}: these weights are of windows, not of all tokens; grad_cam works"
        )
    if any(m.pooled != (1, 1) for m in layers):
        raise RegardError(f"{asked} needs whole maps; Keep(longest=None) keeps them")
    return layers
