from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.page.markup import Markup, element, embed, join

printable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufffe\uffff"))
printable = printable.filter(lambda text: all(c >= " " or c in "\t\n" for c in text))


def test_children_and_attributes_are_written():
    written = element(
        "a", "x", 3, None, element("b", 0.5), href="#there", class_="one", hidden=True
    )
    assert written == '<a href="#there" class="one" hidden="">x3<b>0.5</b></a>'
    assert element("br") == "<br/>"
    assert element("i", title=None, hidden=False) == "<i></i>"
    assert isinstance(written, Markup)


def test_underscores_become_hyphens_and_coordinates_are_short():
    assert (
        element("g", stroke_width=1.0, x=2.506, y=-3) == '<g stroke-width="1" x="2.51" y="-3"></g>'
    )


@given(printable)
def test_text_comes_back_as_it_was(text):
    import xml.etree.ElementTree as ElementTree

    node = ElementTree.fromstring(element("p", text))
    assert (node.text or "") == text
    assert len(node) == 0


@given(st.text())
def test_any_attribute_is_one_attribute(text):
    from html.parser import HTMLParser

    seen = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: seen.append((tag, attributes))
    parser.feed(element("p", title=text))
    [(tag, [(name, value)])] = seen
    assert (tag, name) == ("p", "title")
    if text.isprintable():
        assert value == text


def test_hostile_text_is_inert_everywhere(hostile, outline):
    fragment = join(
        element("p", hostile, title=hostile),
        element("svg", element("title", hostile), element("text", hostile), aria_label=hostile),
        hostile,
        embed("data", {hostile: [hostile]}),
    )
    seen = outline(fragment)
    assert [tag for tag, _ in seen.tags] == ["p", "svg", "title", "text", "script"]
    assert not any(key.startswith("on") for _, attributes in seen.tags for key in attributes)
    fragment.encode("utf-8")


def test_an_attribute_escapes_even_markup():
    assert element("p", title=Markup('"<b>')) == '<p title="&quot;&lt;b&gt;"></p>'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_embedded_data_comes_back(data):
    def finite(value):
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, list):
            return [finite(one) for one in value]
        if isinstance(value, dict):
            return {key: finite(one) for key, one in value.items()}
        return value

    start, end = '<script type="application/json" id="data">', "</script>"
    text = embed("data", data)
    assert text.startswith(start)
    assert text.endswith(end)
    inside = text[len(start) : -len(end)]
    assert not set("<>&") & set(inside)
    assert json.loads(inside) == finite(data)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: element("a b"), "'a b'"),
        (lambda: element("p", onclick="run()"), "onclick"),
        (lambda: element("p", **{"x y": "1"}), "x y"),
        (lambda: element("a", href="javascript:alert(1)"), "javascript:"),
        (lambda: element("a", href=" javascript:alert(1)"), "javascript:"),
        (lambda: element("img", src="https://example.org/a.png"), "data:image/"),
        (lambda: element("rect", x=math.nan), "finite"),
        (lambda: element("script", "alert(1)"), "embed"),
        (lambda: element("style", "p{}"), "embed"),
        (lambda: embed("data", {"a": object()}), "plain data"),
    ],
)
def test_refusals(build, said):
    with pytest.raises(RegardError, match=said):
        build()
