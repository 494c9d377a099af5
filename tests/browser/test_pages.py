"""What holds of every page of the package, as a reader has it."""

from __future__ import annotations

import re

import pytest

HOSTILE = "<script>alert(1)</script>"
# They compute; all others only show.
SCRIPTED = {"explain", "explain_between", "explain_picture", "explain_picture_on"}
A4 = 718  # pixels between usual margins
# What Tab should come to: of radio buttons only the chosen one, nothing that is out of sight.
CONTROLS = """() => {
  const all = 'a[href], button, input, select, summary, [tabindex="0"]';
  window.wanted = [...document.querySelectorAll(all)].filter((node) => node.checkVisibility()
    && !node.disabled && !(node.type === 'radio' && !node.checked));
  return window.wanted.length;
}"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_axe_finds_nothing_and_nothing_sticks_out(visit, made, kind, scheme, width, faults, shoot):
    page = visit(made(kind)[0], width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(page, f"{kind}-{scheme}-{width}")
    assert faults(page) == []


def test_it_stays_within_the_narrowest_screens(visit, made, kind):
    page = visit(made(kind)[0], 320)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_tab_reaches_every_control(visit, made, kind):
    page = visit(made(kind)[0])
    count, reached = page.evaluate(CONTROLS), set()
    assert count > 1
    for _ in range(2 * count):  # a box that scrolls is a stop too
        page.keyboard.press("Tab")
        reached.add(page.evaluate("wanted.indexOf(document.activeElement)"))
        if len(reached - {-1}) == count:
            break
    assert set(range(count)) <= reached


def test_the_theme_is_switched_by_keyboard_and_back(visit, made, kind):
    page = visit(made(kind)[0], color_scheme="light")
    colours = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colours)
    page.focus("#theme")
    page.keyboard.press("Enter")
    assert page.evaluate(colours) != light
    page.keyboard.press("Enter")
    assert page.evaluate(colours) == light


@pytest.mark.parametrize("kind", ["compare_images", "see_text", "see_maps", "bench"])
def test_a_table_is_sorted_by_keyboard(visit, made, kind):
    page = visit(made(kind)[0])
    table = page.locator("table.sortable:visible >> nth=0")
    button = table.locator("thead button >> nth=0")
    button.focus()
    for order in ("ascending", "descending"):
        page.keyboard.press("Enter")
        assert table.locator("thead th >> nth=0").get_attribute("aria-sort") == order
        names = table.locator("tbody th").all_inner_texts()
        sort = "names => names.sort(new Intl.Collator('en', {numeric: true}).compare)"
        expected = page.evaluate(sort, names)
        assert names == (expected if order == "ascending" else expected[::-1])


def test_numbers_are_sorted_as_numbers_the_largest_first(visit, made):
    page = visit(made("compare_images")[0])
    table = page.locator("table.sortable >> nth=0")
    heads = table.locator("thead th").all_inner_texts()
    place = next(k for k, text in enumerate(heads) if "parameters" in text)
    table.locator("thead button").nth(place).press("Enter")
    cells = table.locator(f"tbody tr > :nth-child({place + 1})").all_inner_texts()
    counts = [int(text.replace(",", "")) for text in cells]
    assert len(set(counts)) > 1
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("compare_images", "<img src=x onerror=alert(1)>"),
        ("compare_texts", "script"),
        ("see_picture", HOSTILE),
        ("see_text", HOSTILE),
        ("see_translation", HOSTILE),
        ("bench", HOSTILE),
        ("explain", "script"),
        ("explain_picture_on", "<img src=x onerror=alert(1)>"),
    ],
)
def test_names_from_data_are_text(visit, made, kind, text):
    page = visit(made(kind)[0])  # a dialog or a request would fail it
    assert page.locator("body").get_by_text(text, exact=False).first.count() == 1
    scripts = page.locator("script:not([type])").count()
    assert scripts == 1


def test_it_is_small(made, kind):
    html = made(kind)[0].read_text(encoding="utf-8")
    assert len(html.encode()) < 3_000_000
    bare = re.sub(r'"data:image/[^"]*"', '""', html)
    assert len(bare.encode()) < 300_000


def test_on_paper_nothing_is_cut_and_no_switch_is_left(visit, made, kind):
    page = visit(made(kind)[0], A4)
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4
    cut = "[...document.querySelectorAll('.scroll')].filter(n => n.scrollWidth > n.clientWidth + 1)"
    assert page.evaluate(f"{cut}.map(n => n.textContent.slice(0, 60))") == []
    left = """[...document.querySelectorAll('body *')].filter((n) => n.checkVisibility() &&
      (['fixed', 'sticky'].includes(getComputedStyle(n).position) || n.matches('#theme, nav')))"""
    assert page.evaluate(f"{left}.map(n => n.outerHTML.slice(0, 80))") == []
    assert page.evaluate("getComputedStyle(document.body).colorScheme") != "dark"


def test_in_a_notebook_it_works_in_its_frame(visit, made, kind, tmp_path):
    outer = tmp_path / "notebook.html"
    frame = made(kind)[1]._repr_html_()
    outer.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body>{frame}</body>', "utf-8")
    page = visit(outer)
    inner = page.frame_locator("iframe")
    root = inner.locator("html")
    before = root.evaluate("node => getComputedStyle(node.querySelector('body')).backgroundColor")
    inner.locator("#theme").click()
    after = root.evaluate("node => getComputedStyle(node.querySelector('body')).backgroundColor")
    assert after != before
    links = inner.locator("nav a")
    link = links.nth(links.count() - 1)
    target = link.get_attribute("href")
    link.click()
    assert root.evaluate("() => location.href") == "about:srcdoc"
    assert root.evaluate("() => '#' + document.activeElement.id") == target


def test_without_javascript_it_is_read_or_says_why_not(visit, made, kind):
    path = made(kind)[0]
    bare, full = visit(path, java_script_enabled=False), visit(path)
    if kind in SCRIPTED:
        assert "JavaScript" in bare.locator("noscript").inner_text()
        assert not bare.locator("#controls").is_visible()
        return
    assert bare.locator("#theme").is_hidden()
    for part in ("h2", "p", "figcaption", "td", "svg"):
        shown = [page.locator(f"main {part}:visible").count() for page in (bare, full)]
        assert shown[0] == shown[1]
    assert bare.locator("main h2:visible").count() > 1
