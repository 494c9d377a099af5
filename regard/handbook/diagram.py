"""Steps → a small SVG, readable on a light and on a dark page, and the same in words.

An image in a Markdown file inherits nothing from the page around it and cannot know its colour. So
every letter lies in a box of its own light colour, and lines are of a grey seen on both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..page import Markup, element
from ..page.drawing import text
from ..page.lettering import SIZE, Box, text_width
from .layering import LINE, Layout, lay_out
from .simplifying import Step

NAMES: Mapping[str, str] = {
    "input": "",
    "output": "",
    "layers": "layers",
    "excite": "excite",
    "squeeze": "squeeze",
    "modulate": "modulate",
    "attend": "attend",
    "warp": "warp",
    "combine": "combine",
    "reorder": "rearrange",
    "compute": "compute",
    "several": "several steps",
}
_FILLS: Mapping[str, str] = {
    "input": "#ffffff",
    "output": "#ffffff",
    "squeeze": "#bfe0f2",
    "excite": "#ffe19c",
    "layers": "#ffe9bd",
    "modulate": "#f6bdb2",
    "attend": "#cfc4f2",
    "warp": "#b9e3c6",
}
_OTHER, _INK, _FAINT, _EDGE = "#e4e4e4", "#111111", "#444444", "#7d7d7d"


def lines_of(step: Step) -> list[str]:
    """The lines of a step's box: its kind, what is done, and the shape of the result."""
    head = NAMES[step.kind] + (f" × {step.count}" if step.count > 1 else "")
    shapes = " and ".join(str(list(shape)) for shape in step.shapes)
    return [*([head] if head else []), *step.items, shapes]


def diagram(steps: Sequence[Step], label: str) -> Markup:
    """An SVG of the steps from top to bottom, called ``label`` for those who do not see it."""
    boxes = [(max(map(text_width, lines_of(s))), len(lines_of(s))) for s in steps]
    layout = lay_out(boxes, [step.sources for step in steps])
    ways = [_way(points) for points in layout.ways]
    drawn = [_box(step, layout, place) for place, step in enumerate(steps)]
    return element(
        "svg",
        element("title", label),
        _arrow(),
        *ways,
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {layout.width:g} {layout.height:g}",
        width=layout.width,
        height=layout.height,
        role="img",
        font_family="system-ui, sans-serif",
        font_size=SIZE,
    )


def in_words(steps: Sequence[Step]) -> list[str]:
    """One sentence a step, for those who read the diagram instead of seeing it."""
    said = []
    for number, step in enumerate(steps, 1):
        took = ", ".join(str(source + 1) for source in step.sources)
        kind, *rest = lines_of(step)
        said.append(f"{number}. {kind}{f' (from {took})' if took else ''}: {', '.join(rest)}")
    return said


def _box(step: Step, layout: Layout, place: int) -> Markup:
    box: Box = layout.boxes[place]
    middle = (box.left + box.right) / 2
    lines = lines_of(step)
    named = bool(NAMES[step.kind])
    letters = []
    for number, line in enumerate(lines):
        y = box.top + LINE * (number + 0.5) + 5
        drawn = text(middle, y, line, "middle")
        strong = number == 0 and named
        faint = number == len(lines) - 1
        fill, weight = _FAINT if faint else _INK, 700 if strong else None
        letters.append(element("g", drawn, fill=fill, font_weight=weight))
    sheet = element(
        "rect",
        x=box.left,
        y=box.top,
        width=box.right - box.left,
        height=box.bottom - box.top,
        rx=5,
        fill=_FILLS.get(step.kind, _OTHER),
        stroke=_EDGE,
    )
    return element("g", sheet, *letters)


def _way(points: Sequence[tuple[float, float]]) -> Markup:
    """A line through the points, an arrow at its end."""
    return element(
        "polyline",
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        fill="none",
        stroke=_EDGE,
        stroke_width=1.5,
        marker_end="url(#tip)",
    )


def _arrow() -> Markup:
    tip = element("path", d="M0 0L8 4L0 8Z", fill=_EDGE)
    marker = element(
        "marker", tip, id="tip", markerWidth=8, markerHeight=8, refX=7, refY=4, orient="auto",
        markerUnits="userSpaceOnUse",
    )  # fmt: skip
    return element("defs", marker)
