"""The weights of a look at a model, as sections of its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from .. import page
from ..errors import RegardError
from ..maps import Map, Places
from ..page import Markup
from .aligning import Aligned
from .canvas import (
    MOST_HEADS,
    Array,
    Pixels,
    framed,
    heads_side_by_side,
    tokens_by_tokens,
)
from .grids import find_grid
from .head_summaries import head_max, head_mean
from .result import Maps
from .sanity import Sanity
from .subject import Subject
from .windows import heads_of, places_of, put_back

Section = tuple[str, list[Markup]]
_MOST_MATRICES = 8
_MOST_NAMED = 96  # tokens that have their names beside a matrix
_ROOM = 90_000  # letters of a page for all matrices with names
_MOST_ARRANGEMENTS = 6
_EACH = "Each in colours of its own, from its least to its greatest weight."
_SPOKEN = {"__getitem__": "indexing", "__get__": "transpose", "_pad": "pad"}
_NO_MOVES = {"linear", "layer_norm", "rms_norm", "normalize", "conv1d", "conv2d", "contiguous"}


def weights(subject: Subject, maps: Maps) -> Iterator[Section]:
    """Heads, and what one place of a picture looks at."""
    yield from _heads(subject, maps)
    yield from _asked(subject, maps)


def numbered(tokens: tuple[str, ...], count: int | None = None) -> list[str]:
    """Tokens, as many as there are values; numbers where there are other ones."""
    if count is not None and len(tokens) != count:
        return [str(k) for k in range(count)]
    return list(tokens)


def paragraph(text: str) -> Markup:
    """A sentence or more."""
    return page.element("p", text)


def _heads(subject: Subject, maps: Maps) -> Iterator[Section]:
    """Heads of the last layer of self-attention, their mean and their maximum."""
    own = [m for m in maps if m.kind == "weights" and m.values.shape[-2] == m.values.shape[-1]]
    if not own:
        return
    last = own[-1]
    count = last.values[0].reshape(-1, *last.values.shape[-2:]).shape[0]
    pixels = subject.scene.pixels
    if pixels is not None and last.places is not None:
        parts = _put_back(last, pixels)
    elif pixels is not None and _is_whole(last, pixels):
        parts = _over(last, pixels)
    elif pixels is None and len(subject.scene.tokens) == last.values.shape[-1] <= _MOST_NAMED:
        parts = _by_token(last, numbered(subject.scene.tokens))
    else:
        parts = heads_side_by_side(last.values[0].double().numpy(), f"at {last.site}")
        if pixels is not None and (len(last.values) > 1 or last.values.dim() > 4):
            parts.append(
                paragraph(
                    f"Of the first of {len(last.values)} windows, as a plain matrix: where windows "
                    "lie on the picture is not told, for a call on the way to them mixes places."
                )
            )
    told = [paragraph(f"The layer has {count} heads.")] if count > 1 and not last.places else []
    yield f"Heads of {last.site or 'the model'}", [*told, *parts]


def _is_whole(found: Map, pixels: Pixels) -> bool:
    """Whether its tokens are patches of the whole picture."""
    one = len(found.values) == 1 and found.values.dim() < 5
    return one and find_grid(found.values.shape[-1], (pixels.shape[0], pixels.shape[1])) is not None


def _named(found: Map) -> list[tuple[str, Array]]:
    """Mean and maximum of the heads, and the heads."""
    heads = found.values[0].double().numpy().reshape(-1, *found.values.shape[-2:])
    both = (("mean", head_mean(found)[0]), ("maximum", head_max(found)[0]))
    single = [(f"head {k}", head) for k, head in enumerate(heads[:MOST_HEADS])]
    return [*((name, v.double().numpy()) for name, v in both), *single]


def _by_token(found: Map, tokens: list[str]) -> list[Markup]:
    """The mean, the heads side by side, and each head with its tokens, to be opened."""
    mean, _, *heads = _named(found)
    shown = [mean, *heads[:_MOST_MATRICES]]
    drawn = [
        tokens_by_tokens(head, tokens, tokens, f"{page.capital(name)} of {found.site}")
        for name, head in shown
    ]
    if len(drawn) < 3:  # the mean of one head is that head
        return drawn[:1]
    beside = heads_side_by_side(found.values[0].double().numpy(), f"at {found.site}")
    sizes = accumulate(map(len, drawn))
    fitting = [one for one, size in zip(drawn, sizes, strict=True) if size < _ROOM][1:]
    if not fitting:
        return [drawn[0], *beside]
    count = len(drawn) - 1
    which = "Each head" if len(fitting) == count else f"{len(fitting)} of {count} heads, each"
    label = page.element("summary", f"{which} with the tokens beside it")
    return [drawn[0], *beside, page.element("details", label, *fitting)]


def _over(found: Map, pixels: Pixels) -> list[Markup]:
    """What each head looks at on the picture: the class token's row, or what all rows give."""
    items = []
    for name, head in _named(found):
        grid = find_grid(head.shape[-1], (pixels.shape[0], pixels.shape[1]))
        if grid is not None:
            row = head[0] if grid.prefix else head.mean(0)
            plane = row[grid.prefix :].reshape(grid.height, grid.width)
            items.append((page.overlay(pixels, plane, f"{name} over the picture"), name))
    return [page.gallery(items), paragraph(_EACH)]


def _put_back(
    found: Map, pixels: Pixels, query: tuple[int, int] | None = None, most: int = MOST_HEADS
) -> list[Markup]:
    """What all places, or one of them, look at on average, and by head."""
    asked = "all places" if query is None else f"row {query[0]}, column {query[1]}"
    heads: list[int | None] = [None]
    try:
        count = heads_of(found)
        heads += range(min(count, most)) if count > 1 else ()
    except RegardError:
        pass  # it has no heads that could be told apart
    items = []
    for head in heads:
        plane = put_back(found, query, head=head).double().numpy()
        name = "mean" if head is None else f"head {head}"
        alt = f"{name} of {found.site or 'the model'}: what is attended to from {asked}"
        items.append((page.overlay(pixels, plane, alt), name))
    return [page.gallery(items), paragraph(f"From {asked}. {_EACH}")]


def _asked(subject: Subject, maps: Maps) -> Iterator[Section]:
    """What one place looks at, in the first layer of each arrangement of windows."""
    pixels = subject.scene.pixels
    if pixels is None:
        return
    kinds: dict[object, Map] = {}
    for found in maps:
        if found.places is not None and found.places.queries is not None:
            first = found.places.keys.flatten()[: found.places.keys.shape[-1]]
            kinds.setdefault((found.places.frame, *first.tolist()), found)
    parts: list[Markup] = []
    for found in list(kinds.values())[:_MOST_ARRANGEMENTS]:
        places = places_of(found)
        query = _place(subject.scene.asked, places.frame)
        parts += [page.element("h3", found.site or "the model"), paragraph(_rule(places))]
        parts += _put_back(found, framed(pixels, query, places.frame), query, most=2)
    if parts:
        several = f"The first layer of each arrangement, {_MOST_ARRANGEMENTS} at most. "
        frame = "The place that asks has a frame; regard see --place chooses another."
        yield "What one place looks at", [paragraph(several + frame), *parts]


def _place(asked: tuple[float, float], frame: tuple[int, int]) -> tuple[int, int]:
    down, across = (min(int(part * n), n - 1) for part, n in zip(asked, frame, strict=True))
    return down, across


def _rule(places: Places) -> str:
    """How it is known where the weights lie."""
    height, width = places.frame
    keys = places.keys.shape[-1]
    calls = [_SPOKEN.get(name, name) for name in places.calls if name not in _NO_MOVES]
    moves = list(dict.fromkeys(calls))
    shape = f"{keys} keys for each query, on a map of {height}×{width} places"
    undone = ", a cyclic shift undone" if "roll" in moves else ""
    return (
        f"{shape}{undone}. Where each of them lies was followed through the calls that took the "
        f"map apart: {', '.join(moves) or 'none'}."
    )


def alignments(
    subject: Subject, found: Mapping[str, Aligned], sanity: Mapping[str, Sanity]
) -> Iterator[Section]:
    """What each written token looked at, by each method, and what the method's tests said."""
    if not found:
        return
    rows = numbered(subject.scene.written[1:], len(subject.spoken) - 1)
    parts = []
    for name, one in found.items():
        values = one.values.double().numpy()
        keys = numbered(subject.scene.tokens, values.shape[1])
        caption = f"What each written token looked at, by {name}"
        parts += [tokens_by_tokens(values, rows, keys, caption), paragraph(one.rule)]
        if one.judged in sanity:
            told = f"Tested as {one.judged} above, over all that was written: "
            parts.append(page.element("p", told, sanity[one.judged].sentence(), class_="note"))
    yield "Alignment", parts
