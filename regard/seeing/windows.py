"""Attention inside windows, put back over the whole picture: any shift undone, padding left out.

Where each query and key lies was followed while the model ran (:class:`regard.maps.Places`), so
this holds for windows of any cut: shifted ones, grids, blocks that overlap, the whole picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import RegardError
from ..maps import Map, Places


def put_back(
    found: Map, query: tuple[int, int] | None = None, *, sample: int = 0, head: int | None = None
) -> Tensor:
    """What one place of a picture attends to, or what all places do on average.

    Args:
        found: weights of which it is known where they lie.
        query: row and column of the place that asks; None: the mean over all places.
        sample: of the batch.
        head: of the layer, from 0; None: the mean over the heads.

    Returns:
        ``[H, W]``, the map that was attended over; it sums to one but for what padding took.

    Raises:
        RegardError: where the places are not known, or the sample, place or head is not there.
    """
    places = places_of(found)
    keys, weights = _flat(places.keys), _flat(found.values)
    size = places.frame[0] * places.frame[1]
    first = _started(places, sample)
    if places.queries is None:
        if query is not None or head is not None:
            raise RegardError(
                f"put_back: of {found.site!r} it is not known where its queries lie; "
                "without query= and head= it gives the mean over all of them"
            )
        chosen = ((keys >= first) & (keys < first + size)).any(-1, keepdim=True)
        chosen = chosen.expand(weights.shape[:-1])
    else:
        queries = _flat(places.queries)
        chosen = (queries >= first) & (queries < first + size)
        if query is not None:
            chosen &= queries == first + _number(query, places.frame)
        if head is not None:
            chosen &= _turn(queries) == _within(head, heads_of(found), "head")
    windows, rows = chosen.nonzero(as_tuple=True)
    taken = weights[windows, rows] / len(rows)
    where = (keys[windows] - first).long()
    inside = (where >= 0) & (where < size)
    whole = torch.zeros(size, dtype=taken.dtype)
    return whole.index_add(0, where[inside], taken[inside]).unflatten(0, places.frame)


def heads_of(found: Map) -> int:
    """How many rows of weights each place has.

    Raises:
        RegardError: where it is not known where the queries lie, or where places have different
            numbers of rows, as in windows that overlap.
    """
    places = places_of(found)
    if places.queries is None:
        raise RegardError(f"heads_of: it is not known where the queries of {found.site!r} lie")
    queries = places.queries.flatten()
    _, rows = queries[queries >= 0].unique(return_counts=True)
    if not bool((rows == rows[0]).all()):
        raise RegardError(f"heads_of: the windows of {found.site!r} overlap; head=None works")
    return int(rows[0])


def places_of(found: Map) -> Places:
    """Where weights lie.

    Raises:
        RegardError: where that is not known.
    """
    if found.places is None:
        raise RegardError(
            f"it is not known where on a picture the {found.form} at {found.site!r} lie: the map "
            "is summarised (Keep(longest=None) keeps the whole), or a call on the way to it mixes "
            "places, or it is of no picture"
        )
    return found.places


def is_windowed(found: Map) -> bool:
    """Whether keys are known to lie in windows: no query has all places of the picture as keys."""
    places = found.places
    return places is not None and places.keys.shape[-1] < places.frame[0] * places.frame[1]


def _flat(x: Tensor) -> Tensor:
    """Windows and heads as one axis; of weights ``[W, Nq, Nk]``, of places ``[W, N]``."""
    return x.flatten(0, -2) if x.dtype == torch.int32 else x.flatten(0, -3)


def _started(places: Places, sample: int) -> int:
    size = places.frame[0] * places.frame[1]
    return _within(sample, int(places.keys.max()) // size + 1, "sample") * size


def _number(place: tuple[int, int], frame: tuple[int, int]) -> int:
    row = _within(place[0], frame[0], "row")
    return row * frame[1] + _within(place[1], frame[1], "column")


def _within(number: int, count: int, what: str) -> int:
    if not 0 <= number < count:
        raise RegardError(f"put_back: {what} {number} was asked for; 0 to {count - 1} works")
    return number


def _turn(queries: Tensor) -> Tensor:
    """The how-manyeth row of its place each query is, which is its head, from 0."""
    flat = queries.flatten()
    order = flat.argsort(stable=True)
    ranked = flat[order]
    starts = torch.searchsorted(ranked, ranked)
    turn = torch.empty_like(order)
    turn[order] = torch.arange(len(flat)) - starts
    return turn.view_as(queries)
