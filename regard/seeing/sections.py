"""The sections of a page on one look at a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from .. import page
from ..maps import Map
from ..page import Markup
from ..page.tables import Content
from .alignments import alignment
from .canvas import MOST_HEADS, Array, heads_side_by_side, picture_of, tokens_by_tokens
from .grids import find_grid
from .head_summaries import head_max, head_mean
from .heat import Heat
from .result import HEAD, NUMBERS, Maps
from .sanity import Sanity
from .subject import Subject

Section = tuple[str, list[Markup]]
_MOST_SITES = 3  # of a kind: the first, the middle and the last
_MOST_MATRICES = 8
_ROOM = 120_000  # letters of a page for all of them
_TITLES: Mapping[str, str] = {
    "channel gate": "Channel gates",
    "spatial gate": "Spatial gates",
    "coordinate gate": "Coordinate gates",
    "gate": "Gates over everything",
    "branch weights": "Branch weights",
    "theta": "Affine maps",
    "sampling points": "Where is sampled",
    "warped output": "What was sampled",
}


def sections(
    subject: Subject,
    maps: Maps,
    heats: Mapping[str, Heat],
    sanity: Mapping[str, Sanity],
    refused: Mapping[str, str],
) -> Iterator[Section]:
    """Titles and what stands below them, in the order of the page."""
    yield "The input", _input(subject)
    for name, heat in heats.items():
        yield page.capital(name), _heat(subject, heat, sanity.get(name))
    yield from _heads(subject, maps)
    yield from _between(subject, maps)
    for form, title in _TITLES.items():
        found = [m for m in maps if m.form == form]
        if found:
            parts = [part for m in _spread(found) for part in picture_of(m, subject.scene)]
            yield title, [*_more(found), *parts]
    rows: list[list[Content]] = [list(row) for row in maps.rows()]
    notes = [*maps.notes(), *(f"No {name}: {why}." for name, why in refused.items())]
    yield "All maps", [page.table(HEAD, rows, "By site", NUMBERS), *map(_paragraph, notes)]


def _input(subject: Subject) -> list[Markup]:
    scene = subject.scene
    shown = [_paragraph(note) for note in subject.notes]
    if scene.pixels is not None:
        return [page.image(scene.pixels, "the input picture"), *shown]
    return [page.token_list(scene.tokens), *shown]


def _heat(subject: Subject, heat: Heat, sanity: Sanity | None) -> list[Markup]:
    """The picture, whether it tells anything, and the tests."""
    values = heat.values[0].double().numpy()
    source = f" ({heat.source})" if heat.source else ""
    where = _paragraph(f"{page.capital(heat.method)}{source}, from {heat.where}.")
    pixels = subject.scene.pixels
    if heat.pictured and pixels is not None:
        smooth = heat.spread((pixels.shape[0], pixels.shape[1]))[0].double().numpy()
        pictures = [
            (page.image(pixels, "the input picture"), "the input"),
            (page.overlay(pixels, smooth, f"{heat.method} over the picture"), "over the input"),
            (page.heat(values, heat.method), "as computed"),
        ]
        scale = page.colour_bar(float(values.min()), float(values.max()), "little to much")
        shown = page.join(page.gallery(pictures, large=True), scale)
    else:
        shown = page.bars(
            _numbered(subject.scene.tokens, len(values)), values.tolist(), ordered=False, most=64,
            caption=f"{page.capital(heat.method)}, by token", value_label="value",
        )  # fmt: skip
    if sanity is None:
        return [where, shown]
    stages = [
        f"{100 * (k + 1) // len(sanity.correlations)} %" for k in range(len(sanity.correlations))
    ]
    rows = [
        (stage, page.Cell(page.signed(f"{round(c, 2) + 0:.2f}"), c))
        for stage, c in zip(stages, sanity.correlations, strict=True)
    ]
    alike = page.table(
        ("parameters shuffled", "rank correlation"), rows,
        "With the map of a model whose weights are shuffled, from the output on",
    )  # fmt: skip
    told = page.element("p", sanity.sentence(), class_="note")
    return [shown, where, told, sanity.figure(), alike]


def _heads(subject: Subject, maps: Maps) -> Iterator[Section]:
    """Heads of the last layer of self-attention, their mean and their maximum."""
    own = [m for m in maps if m.kind == "weights" and m.values.shape[-2] == m.values.shape[-1]]
    if not own:
        return
    last = own[-1]
    weights = last.values[0].double().numpy()
    summed = {"mean": head_mean(last)[0], "maximum": head_max(last)[0]}
    title = f"Heads of {last.site or 'the model'}"
    pixels, tokens = subject.scene.pixels, subject.scene.tokens
    heads = weights.reshape(-1, *weights.shape[-2:])
    named = [(f"head {k}", head) for k, head in enumerate(heads[:MOST_HEADS])]
    both = [(k, v.double().numpy()) for k, v in summed.items()]
    whole = len(last.values) == 1 and weights.ndim < 4  # not windows
    frame = None if pixels is None else (pixels.shape[0], pixels.shape[1])
    if whole and frame is not None and find_grid(weights.shape[-1], frame) is not None:
        parts = _over(subject, both + named)
    elif pixels is None and len(tokens) == weights.shape[-1]:
        parts = _between_tokens(both[:1] + named[:_MOST_MATRICES], tokens, last.site)
        parts[1:1] = heads_side_by_side(weights, f"at {last.site}") if len(heads) > 1 else []
    else:
        parts = heads_side_by_side(weights, f"at {last.site}")
        if not whole:
            parts.append(_paragraph(f"Of the first of {len(last.values)} windows."))
    yield title, [*_counted(len(heads), len(parts)), *parts]


def _between_tokens(
    heads: list[tuple[str, Array]], tokens: tuple[str, ...], site: str
) -> list[Markup]:
    """The first of the matrices, and the others to be opened."""
    drawn = [
        tokens_by_tokens(head, tokens, tokens, f"{page.capital(name)} of {site}")
        for name, head in heads
    ]
    single = drawn[1:] if len(drawn) > 2 else []  # the mean of one head is that head
    sizes = accumulate(len(one) for one in single)
    fitting = [one for one, size in zip(single, sizes, strict=True) if size < _ROOM]
    if not fitting:
        return drawn[:1]
    which = "Each head" if fitting == single else f"The first {len(fitting)} heads"
    label = page.element("summary", f"{which} with the tokens beside it")
    return [drawn[0], page.element("details", label, *fitting)]


def _over(subject: Subject, heads: list[tuple[str, Array]]) -> list[Markup]:
    """What each head looks at on the picture: the class token's row, or what all rows give."""
    pixels = subject.scene.pixels
    if pixels is None:
        return []
    items = []
    for name, head in heads:
        grid = find_grid(head.shape[-1], (pixels.shape[0], pixels.shape[1]))
        if grid is not None:
            row = head[0] if grid.prefix else head.mean(0)
            plane = row[grid.prefix :].reshape(grid.height, grid.width)
            items.append((page.overlay(pixels, plane, f"{name} over the picture"), name))
    return [
        page.gallery(items),
        _paragraph("Each in colours of its own, from its least to its greatest weight."),
    ]


def _between(subject: Subject, maps: Maps) -> Iterator[Section]:
    """The alignment of two texts, where there are two."""
    if subject.scene.pixels is not None or "decoder_input_ids" not in dict(subject.x):
        return
    found = alignment(maps)[0].double().numpy()
    rows = _numbered(subject.scene.written, len(found))
    keys = _numbered(subject.scene.tokens, found.shape[1])
    yield "Alignment", [tokens_by_tokens(found, rows, keys, "What each written token looked at")]


def _numbered(tokens: tuple[str, ...], count: int | None = None) -> list[str]:
    """Tokens, as many as there are values; numbers where there are other ones."""
    if count is not None and len(tokens) != count:
        return [str(k) for k in range(count)]
    return list(tokens)


def _spread(found: list[Map]) -> list[Map]:
    """The first, the middle and the last."""
    if len(found) <= _MOST_SITES:
        return found
    return [found[0], found[len(found) // 2], found[-1]]


def _more(found: list[Map]) -> list[Markup]:
    if len(found) <= _MOST_SITES:
        return []
    return [_paragraph(f"{_MOST_SITES} of {len(found)}: the first, the middle and the last.")]


def _counted(heads: int, shown: int) -> list[Markup]:
    return [_paragraph(f"The layer has {heads} heads.")] if heads > 1 and shown else []


def _paragraph(text: str) -> Markup:
    return page.element("p", text)
