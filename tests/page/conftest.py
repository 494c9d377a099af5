"""What the tests of the page kit share: strict parsers of what it writes."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

VOID = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style></title></svg><img src=x onerror=alert(1)>",
    '" onload="alert(1)',
    "' onload='alert(1)",
    "<!-- & ]]> &lt;",
    "nul\x00 surrogate\ud800 end",
)


class Outline(HTMLParser):
    """Every start tag with its attributes, the text of every element; fails on a bad nesting."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        assert len({key for key, _ in attrs}) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        assert tag in VOID

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open:
            self.texts[self._open[-1]][-1] += data


@pytest.fixture
def outline() -> Callable[[str], Outline]:
    return Outline


@pytest.fixture(params=HOSTILE, ids=range(len(HOSTILE)))
def hostile(request) -> str:
    return request.param


@pytest.fixture
def tree() -> Callable[[str], ElementTree.Element]:
    """Strict XML, without the name of the SVG namespace."""

    def parse(fragment: str) -> ElementTree.Element:
        root = ElementTree.fromstring(f"<root>{fragment}</root>")
        for node in root.iter():
            node.tag = node.tag.rpartition("}")[2]
        return root

    return parse


@pytest.fixture
def numbers(tree) -> Callable[[str], list[list[str | float]]]:
    """The cells of the table beside a chart: text, or the exact number in number columns."""

    def cell(node: ElementTree.Element) -> str | float:
        shown = "".join(node.itertext())
        if node.get("class") != "number":
            return shown
        value = node.get("data-value", shown.replace(",", ""))
        return float(value.replace("Infinity", "inf")) if value else math.nan

    def read(fragment: str) -> list[list[str | float]]:
        return [[cell(node) for node in row] for row in tree(fragment).findall(".//tbody/tr")]

    return read


@pytest.fixture
def drawings(tree) -> Callable[[str], list[ElementTree.Element]]:
    """The two drawings of a chart, for a screen and for a phone."""

    def read(fragment: str) -> list[ElementTree.Element]:
        found = tree(fragment).findall(".//svg[@role='img']")
        assert [svg.get("class") for svg in found] == ["wide", "narrow"]
        return found

    return read
