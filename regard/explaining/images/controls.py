"""The sections on the Spatial Transformer: sliders, pictures, and one pixel of the output."""

from __future__ import annotations

from ...page import Markup, element
from ..mathml import fraction, line, math
from ..parts import scrolled
from ..wording import said, title
from .walk import Section

_SLIDERS = (
    ("turn", -180, 180, 1), ("width", 0.1, 2.5, 0.01), ("height", 0.1, 2.5, 0.01),
    ("slant", -1.5, 1.5, 0.01), ("right", -1.5, 1.5, 0.01), ("down", -1.5, 1.5, 0.01),
)  # fmt: skip


def transformer(channels: int) -> Section:
    """θ with sliders, the grid over the picture, and what it finds."""
    return "warp-title", [
        math(element("mrow", _column("x^s", "y^s"), line("= θ"), _column("x", "y", "1"))),
        said("warp"),
        said("warp-trained"),
        said("warp-mean", channels=channels) if channels not in (1, 3) else Markup(""),
        element(
            "div", *(_slider(*slider) for slider in _SLIDERS), _raw(),
            id="warp-controls", role="group", aria_label="θ",
        ),
        element("div", _figure("source", "source"), _figure("warped", "warped"), class_="warp"),
    ]  # fmt: skip


def one_pixel(size: tuple[int, int]) -> Section:
    """Where a pixel of the output is taken from, and how."""
    steps = (
        ("step-out", ("pixel-out",)), ("step-source", ("pixel-x", "pixel-y")),
        ("step-place", ("pixel-column", "pixel-row")),
    )  # fmt: skip
    told = [
        part
        for name, lines in steps
        for part in (said(name), *(element("p", id=n, class_="sum") for n in lines))
    ]
    return "pixel-title", [
        said("pixel"),
        element(
            "p", _number("row", "pixel-i", size[0]), _number("column", "pixel-j", size[1]),
            class_="choice",
        ),
        *told,
        math(line("column = ( x^s + 1 )"), fraction(line("W − 1"), line("2"))),
        math(line("row = ( y^s + 1 )"), fraction(line("H − 1"), line("2"))),
        said("step-four"),
        _four(),
    ]  # fmt: skip


def _column(*names: str) -> Markup:
    rows = [element("mtr", element("mtd", line(name))) for name in names]
    return element("mrow", line("("), element("mtable", *rows), line(")"))


def _slider(name: str, low: float, high: float, step: float) -> Markup:
    ends = {"min": format(low, "g"), "max": format(high, "g"), "step": format(step, "g")}
    return element(
        "label", title(name), element("input", type="range", id=name, **ends),
        element("output", id=f"{name}-now", for_=name),
    )  # fmt: skip


def _raw() -> Markup:
    """θ itself, and the ways back."""
    cells = [
        element(
            "input", type="number", step="0.05", id=f"theta-{k}",
            aria_label=f"θ row {k // 3 + 1}, column {k % 3 + 1}",
        )
        for k in range(6)
    ]  # fmt: skip
    theta = element("span", element("span", "θ ="), element("span", *cells, id="theta"),
                    class_="theta")  # fmt: skip
    buttons = [element("button", title(name), type="button", id=name)
               for name in ("own", "identity")]  # fmt: skip
    return element("div", theta, *buttons, class_="raw")


def _figure(name: str, caption: str) -> Markup:
    drawn = element("canvas", id=name, role="img", aria_label=name)
    mark = element("span", id="mark") if name == "warped" else None
    return element(
        "figure", element("div", drawn, mark, class_="drawn"),
        element("figcaption", title(caption)),
    )  # fmt: skip


def _number(name: str, identifier: str, most: int) -> Markup:
    entry = element(
        "input", type="number", id=identifier, min="0", max=str(most - 1), step="1", value="0"
    )
    return element("label", title(name), entry)


def _four() -> Markup:
    heads = [element("th", title(name), scope="col")
             for name in ("neighbour", "value", "weight", "product")]  # fmt: skip
    table = element(
        "table", element("thead", element("tr", *heads)), element("tbody"), id="four",
    )  # fmt: skip
    return scrolled(table, "The four neighbours · 四个邻居")
