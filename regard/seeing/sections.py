"""The sections of a page on one look at a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .. import page
from ..maps import Map
from ..page import Markup
from ..page.tables import Content
from .aligning import Aligned
from .attending import Section, alignments, numbered, paragraph, weights
from .canvas import first_middle_last, picture_of
from .heat import Heat
from .result import HEAD, NUMBERS, Maps
from .sanity import Sanity
from .subject import Subject

_MOST_SITES = 3  # of a kind: the first, the middle and the last
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
    *,
    alignment: Mapping[str, Aligned],
    refused: Mapping[str, str],
) -> Iterator[Section]:
    """Titles and what stands below them, in the order of the page."""
    yield "The input", _input(subject)
    for name, heat in heats.items():
        yield page.capital(name), _heat(subject, heat, sanity.get(name))
    yield from weights(subject, maps)
    yield from alignments(subject, alignment, sanity)
    for form, title in _TITLES.items():
        found = [m for m in maps if m.form == form]
        if found:
            parts = [
                part for m in first_middle_last(found) for part in picture_of(m, subject.scene)
            ]
            yield title, [*_more(found), *parts]
    rows: list[list[Content]] = [list(row) for row in maps.rows()]
    notes = [*maps.notes(), *(f"No {name}: {why}." for name, why in refused.items())]
    yield "All maps", [page.table(HEAD, rows, "By site", NUMBERS), *map(paragraph, notes)]


def _input(subject: Subject) -> list[Markup]:
    scene = subject.scene
    shown = [paragraph(note) for note in subject.notes]
    if scene.pixels is not None:
        return [page.image(scene.pixels, "the input picture"), *shown]
    return [page.token_list(scene.tokens), *shown]


def _heat(subject: Subject, heat: Heat, sanity: Sanity | None) -> list[Markup]:
    """The picture, whether it tells anything, and the tests."""
    values = heat.values[0].double().numpy()
    source = f" ({heat.source})" if heat.source else ""
    where = paragraph(f"{page.capital(heat.method)}{source}, from {heat.where}.")
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
            numbered(subject.scene.tokens, len(values)), values.tolist(), ordered=False, most=64,
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


def _more(found: list[Map]) -> list[Markup]:
    if len(found) <= _MOST_SITES:
        return []
    return [paragraph(f"{_MOST_SITES} of {len(found)}: the first, the middle and the last.")]
