"""What every chart stands in: a figure with a caption, a legend, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .drawing import NARROW, WIDE
from .markup import Markup, element
from .palette import Palette


def figure(
    draw: Callable[[int], Markup], caption: str, numbers: Markup, legend: Markup | None = None
) -> Markup:
    """A chart, drawn once for a screen and once for a phone; the style sheet shows one of them.

    One drawing scaled down would leave letters of six pixels on a phone.

    Args:
        draw: width in pixels → SVG.
        caption: what the chart shows.
        numbers: the same as a table, for who cannot see the chart or wants the figures.
        legend: which look is which label.
    """
    return element(
        "figure",
        element("div", draw(WIDE), draw(NARROW), class_="plot"),
        legend,
        element("figcaption", caption),
        element("details", element("summary", "Numbers"), numbers),
        class_="chart",
    )


def legend(labels: Iterable[str], palette: Palette, lines: bool = False, only: str = "") -> Markup:
    """Each label beside its mark, and its line where the chart has lines.

    ``only`` is ``narrow`` for a legend that belongs to the drawing for a phone alone.
    """
    items = [
        element("li", _swatch(label, palette, lines), element("span", label))
        for label in dict.fromkeys(labels)
    ]
    return element("ul", *items, class_=f"legend {only}".rstrip())


def _swatch(label: str, palette: Palette, lines: bool) -> Markup:
    look, width = palette[label], 34 if lines else 14
    stroke = element(
        "path", d=f"M1 7H{width - 1}", class_=f"mean {look.colour}", stroke_dasharray=look.dash
    )
    return element(
        "svg",
        stroke if lines else None,
        look.mark(width / 2, 7),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} 14",
        width=width,
        height=14,
        aria_hidden="true",
    )
