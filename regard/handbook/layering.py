"""Where the boxes of a diagram go: rows by longest way from the start, fewer crossings by means.

An edge over several rows gets a narrow place of its own in each row between, so that no line runs
through a box (Sugiyama, Tagawa and Toda, 1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..page.lettering import Box

LINE, PAD, GAP, BETWEEN, LANE = 17.0, 10.0, 22.0, 26.0, 8.0
_SWEEPS = 8

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing's places, in pixels.

    Args:
        width, height: of the whole.
        boxes: one a step.
        ways: points of each edge, from the source's bottom to the step's top.
    """

    width: float
    height: float
    boxes: list[Box]
    ways: list[list[Point]]


@dataclass(slots=True)
class _Node:
    """A box, or the place of an edge in a row between."""

    row: int
    width: float
    height: float
    above: list[int]
    middle: float = 0.0


def lay_out(sizes: Sequence[tuple[float, int]], sources: Sequence[Sequence[int]]) -> Layout:
    """Places for boxes.

    Args:
        sizes: of each box its widest text in pixels and its number of lines.
        sources: of each box the earlier boxes that lead to it.
    """
    nodes, chains = _nodes(sizes, sources)
    rows = _rows(nodes)
    _order(nodes, rows)
    width = _place(nodes, rows)
    tops, height = _tops(nodes, rows)
    boxes = [
        Box(n.middle - n.width / 2, tops[n.row], n.middle + n.width / 2, tops[n.row] + n.height)
        for n in nodes[: len(sizes)]
    ]
    ways = [_points(nodes, tops, chain) for chain in chains]
    return Layout(width, height, boxes, ways)


def _nodes(
    sizes: Sequence[tuple[float, int]], sources: Sequence[Sequence[int]]
) -> tuple[list[_Node], list[list[int]]]:
    """The boxes, then the places of long edges; and each edge as a chain of them."""
    nodes: list[_Node] = []
    for (width, lines), before in zip(sizes, sources, strict=True):
        row = 1 + max((nodes[s].row for s in before), default=-1)
        nodes.append(_Node(row, width + 2 * PAD, lines * LINE + PAD, []))
    chains = []
    for place, before in enumerate(sources):
        for source in before:
            chain = [source]
            for row in range(nodes[source].row + 1, nodes[place].row):
                nodes.append(_Node(row, LANE, 0.0, [chain[-1]]))
                chain.append(len(nodes) - 1)
            nodes[place].above.append(chain[-1])
            chains.append([*chain, place])
    return nodes, chains


def _rows(nodes: Sequence[_Node]) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(1 + max(n.row for n in nodes))]
    for place, node in enumerate(nodes):
        rows[node.row].append(place)
    return rows


def _order(nodes: Sequence[_Node], rows: list[list[int]]) -> None:
    """Sort each row by the mean place of its neighbours, downwards and upwards by turns."""
    below: list[list[int]] = [[] for _ in nodes]
    for place, node in enumerate(nodes):
        for above in node.above:
            below[above].append(place)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            index = {p: i / len(r) for r in rows for i, p in enumerate(r)}
            means = {}
            for place in row:
                near = nodes[place].above if down else below[place]
                means[place] = sum(index[n] for n in near) / len(near) if near else index[place]
            row.sort(key=means.__getitem__)


def _place(nodes: Sequence[_Node], rows: Sequence[Sequence[int]]) -> float:
    """Middles from left to right, each row centred; the width of all."""
    widths = [sum(nodes[p].width for p in row) + GAP * (len(row) - 1) for row in rows]
    whole = max(widths) + 4
    for row, width in zip(rows, widths, strict=True):
        left = (whole - width) / 2
        for place in row:
            nodes[place].middle = left + nodes[place].width / 2
            left += nodes[place].width + GAP
    return whole


def _tops(nodes: Sequence[_Node], rows: Sequence[Sequence[int]]) -> tuple[list[float], float]:
    tops, top = [], 2.0
    for row in rows:
        tops.append(top)
        top += max(nodes[p].height for p in row) + BETWEEN
    for place in (p for row in rows for p in row if not nodes[p].height):
        nodes[place].height = max(nodes[p].height for p in rows[nodes[place].row])
    return tops, top - BETWEEN + 2


def _points(nodes: Sequence[_Node], tops: Sequence[float], chain: Sequence[int]) -> list[Point]:
    """Down the chain, straight through the rows between."""
    points: list[Point] = []
    for place in chain:
        node = nodes[place]
        if place != chain[0]:
            points.append((node.middle, tops[node.row]))
        if place != chain[-1]:
            points.append((node.middle, tops[node.row] + node.height))
    return points
