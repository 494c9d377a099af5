"""Plain data → one self-contained HTML file: a pure kit, without torch.

Order: markup → bilingual, tokens → scale → lettering → palette → drawing → tables → figure →
forest, scatterplot, curves, barchart → colours → pixels → pictures → matrixplot, outlines, dots →
document → terminal.

A chart is a function from plain data to ``Markup``; a ``Page`` takes ``Markup`` and writes it.
"""

from __future__ import annotations

from .barchart import bars
from .bilingual import both
from .curves import Series, lines
from .document import Page
from .dots import points
from .forest import Interval, intervals
from .lettering import capital
from .markup import Child, Markup, element, embed, join
from .matrixplot import matrix
from .outlines import outline
from .palette import Palette
from .pictures import colour_bar, gallery, heat, image, overlay
from .scale import signed
from .scatterplot import Point, scatter
from .tables import Cell, table
from .terminal import aligned, printable
from .tokens import token_list

__all__ = [
    "Cell",
    "Child",
    "Interval",
    "Markup",
    "Page",
    "Palette",
    "Point",
    "Series",
    "aligned",
    "bars",
    "both",
    "capital",
    "colour_bar",
    "element",
    "embed",
    "gallery",
    "heat",
    "image",
    "intervals",
    "join",
    "lines",
    "matrix",
    "outline",
    "overlay",
    "points",
    "printable",
    "scatter",
    "signed",
    "table",
    "token_list",
]
