"""Plain data → one self-contained HTML file: a pure kit, without torch.

Order: markup → scale → lettering → palette → drawing → tables → figure → forest, scatterplot,
curves, barchart → colours → pixels → pictures → outlines → document.

A chart is a function from plain data to ``Markup``; a ``Page`` takes ``Markup`` and writes it.
"""

from __future__ import annotations

from regard.page.barchart import bars
from regard.page.curves import Series, lines
from regard.page.document import Page
from regard.page.forest import Interval, intervals
from regard.page.markup import Markup, element, embed, join
from regard.page.outlines import outline
from regard.page.palette import Palette
from regard.page.pictures import colour_bar, gallery, heat, image, overlay
from regard.page.scatterplot import Point, scatter
from regard.page.tables import Cell, table

__all__ = [
    "Cell",
    "Interval",
    "Markup",
    "Page",
    "Palette",
    "Point",
    "Series",
    "bars",
    "colour_bar",
    "element",
    "embed",
    "gallery",
    "heat",
    "image",
    "intervals",
    "join",
    "lines",
    "outline",
    "overlay",
    "scatter",
    "table",
]
