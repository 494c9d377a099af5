from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from regard.errors import RegardError
from regard.page import (
    Interval,
    Page,
    Point,
    Series,
    bars,
    element,
    embed,
    gallery,
    heat,
    image,
    intervals,
    lines,
    outline,
    scatter,
    table,
)

NAMESPACE = "http://www.w3.org/2000/svg"


def full_page() -> Page:
    picture = image(np.zeros((2, 2), np.uint8), "black")
    page = Page("All of it", lead="Everything once.")
    page.add("Charts", intervals([Interval("se", 1, 0, 2)], caption="c"))
    page.add("Charts", scatter([Point("se", 1, 2)], "x", "y", caption="c"))
    page.add("图", lines([Series("se", [1], [2])], "x", "y", caption="c"))
    page.add("???", bars(["se"], [2], caption="c"), table(["a"], [["b"]], "t"))
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 3.0)]
    region = outline(np.zeros((2, 2), np.uint8), corners, "region")
    return page.add("Maps", gallery([(picture, "p"), (heat(np.eye(2), "h"), "q")]), region)


def test_the_page_is_well_formed(outline):
    seen = outline(full_page().html())
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert sum(tag == "h1" for tag, _ in seen.tags) == 1
    assert len(seen.texts["h2"]) == 5
    links = [attributes["href"] for tag, attributes in seen.tags if tag == "a"]
    assert links[0] == "#content"
    assert len(links) == 6
    assert {link[1:] for link in links} <= set(ids)


def test_language_viewport_and_skip_link(outline):
    seen = outline(Page("标题", language="zh-CN").html())
    assert ("html", {"lang": "zh-CN"}) in seen.tags
    metas = [attributes for tag, attributes in seen.tags if tag == "meta"]
    assert any(meta.get("name") == "viewport" for meta in metas)
    assert any(attributes.get("class") == "skip" for _, attributes in seen.tags)
    assert seen.texts["h1"] == ["标题"]


def test_the_policy_allows_this_style_and_this_script_and_no_more(outline):
    seen = outline(full_page().html())
    [policy] = [
        attributes["content"]
        for tag, attributes in seen.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    for name in ("style", "script"):
        [text] = seen.texts[name]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert not any("style" in attributes for _, attributes in seen.tags)


def test_the_page_asks_the_network_for_nothing():
    text = full_page().html()
    assert set(re.findall(r"https?://[^\s\"'<>]*", text)) <= {NAMESPACE}
    assert not re.search(r"url\(|@import|src=\"(?!data:)|href=\"(?!#|data:)", text)
    folder = Path(__file__).parents[2] / "regard" / "page"
    script = (folder / "page.js").read_text(encoding="utf-8")
    assert not re.search(
        r"\b(eval|fetch|XMLHttpRequest|WebSocket|import|innerHTML|Function)\b", script
    )


def test_an_empty_page_is_small():
    assert len(Page("t").html().encode()) < 20_000
    assert len(full_page().html().encode()) < 60_000


def test_hostile_text_is_inert(hostile, outline):
    page = Page(hostile, lead=hostile).add(
        hostile, hostile, element("p", hostile), embed("d", hostile)
    )
    seen = outline(page.add(hostile).add(hostile).html())
    assert len(seen.texts["script"]) == 2
    assert "img" not in {tag for tag, _ in seen.tags}
    page.html().encode("utf-8")


def test_plain_text_becomes_paragraphs(outline):
    seen = outline(Page("t").add("s", "a < b", element("pre", "c"), None).html())
    assert seen.texts["p"] == ["a < b"]
    assert seen.texts["pre"] == ["c"]


def test_writing_replaces_whole_files(tmp_path):
    target = tmp_path / "page.html"
    target.write_text("old")
    page = full_page()
    assert page.write_html(str(target)) == target
    assert target.read_bytes() == page.html().encode()
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_older_file(tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("old")

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RegardError, match=r"page\.html cannot be written: No space .*; free"):
        full_page().write_html(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RegardError, match=r"nowhere.page\.html"):
        Page("t").write_html(tmp_path / "nowhere" / "page.html")


def test_open_shows_the_page_it_wrote(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", lambda url: shown.append(url) or True)
    path = Page("t").open()
    assert shown == [path.as_uri()]
    assert path.read_text(encoding="utf-8") == Page("t").html()
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    with pytest.raises(RegardError, match="the page is"):
        Page("t").open()


def test_a_notebook_gets_the_page_in_a_sandbox(outline):
    page = full_page()
    [(tag, attributes)] = outline(page._repr_html_()).tags
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["srcdoc"] == page.html()


@pytest.mark.parametrize("language", ["", "en us", '"', "e", "en_US"])
def test_a_language_that_is_none_is_refused(language):
    with pytest.raises(RegardError, match="zh-CN"):
        Page("t", language=language)
