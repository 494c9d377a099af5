"""The page of ``regard explain`` as a reader has it."""

from __future__ import annotations

import math

import pytest
import torch

import regard
from regard.comparison.arms import arm_of
from regard.comparison.trained import train_one
from regard.data.text.cues import cues
from regard.explaining.numbers import numbers_of
from regard.explaining.shipped import load_shipped, subject_of
from regard.ops import attend
from regard.tasks import Reading, TaggingTask
from regard.tasks.opening import codec_of
from regard.training import Budget


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "own.html"
    return regard.explain("Thinking Machine").write_html(path)


@pytest.fixture(scope="module")
def between(tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "between.html"
    return regard.explain("我喜欢喝茶。", "I like to drink tea.").write_html(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Of a user's own tagger: additive scores, biases, wider than what is shown."""
    folder = tmp_path_factory.mktemp("trained")
    corpus = cues(40, 20)
    task = TaggingTask(corpus, codec_of(corpus, "made", Reading(), 96), "accuracy")
    arm = arm_of("multihead(score=additive,bias=true)", "tagging")
    train_one(task, "transformer(heads=4)", arm, Budget(epochs=1, batch=16), folder)
    return regard.explain("red cat runs", on=folder).write_html(folder / "page.html")


def read(page, name):
    """The numbers in the cells of a grid."""
    rows = page.locator(f"#grid-{name} tbody tr").all()
    shown = [[cell.inner_text() for cell in row.locator("td").all()] for row in rows]
    return [[float(x.replace("−", "-").replace("∞", "inf")) for x in row] for row in shown]


def pick(page, score="dot", scaled=True, temperature=1.0, causal=False, positions=True, head=1):
    page.check(f'input[value="{score}"]')
    if score == "dot":
        page.set_checked("#scaled", scaled)
    page.fill("#temperature", str(temperature))
    page.set_checked("#causal", causal)
    page.set_checked("#positions", positions)
    page.select_option("#head", label=str(head))


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"scaled": False, "head": 8},
        {"causal": True, "temperature": 0.3},
        {"score": "cosine", "positions": False, "head": 2},
        {"score": "additive", "causal": True, "head": 5, "temperature": 2.5},
    ],
    ids=str,
)
def test_the_numbers_shown_are_those_of_pytorch(visit, own, setting):
    page = visit(own)
    pick(page, **setting)
    expected = by_pytorch(**setting)
    for name in ("query", "key", "value", "z"):
        found = torch.tensor(read(page, name))
        assert (found - expected[name]).abs().max() < 0.0005 + 1e-5, name


def by_pytorch(score="dot", scaled=True, temperature=1.0, causal=False, positions=True, head=1):
    """One head, its temperature as a factor of the queries or of what the score learned."""
    numbers = numbers_of(subject_of(load_shipped()), "Thinking Machine")
    x = torch.tensor(numbers["inputs"]["on" if positions else "off"]["keys"])
    part = slice(4 * head - 4, 4 * head)
    parts = ("query", "key", "value")
    q, k, v = (x @ torch.tensor(numbers["weights"][name])[:, part] for name in parts)
    learned, asked = (), q / temperature
    if score == "cosine":
        scale = torch.tensor(numbers["scores"]["cosine"][head - 1]).reshape(1, 1, 1)
        learned = ((scale / temperature).log(),)
    if score == "additive":
        w, u, last = (torch.tensor(numbers["scores"]["additive"][n])[head - 1 : head]
                      for n in ("query", "key", "v"))  # fmt: skip
        learned, asked = (w, u, last / temperature), q
    kind = "scaled_dot" if score == "dot" and scaled else score
    z = attend(asked[None], k[None], v[None], kind, learned, causal=causal)[0]
    return {"query": q, "key": k, "value": v, "z": z}


@pytest.mark.parametrize("which", ["own", "between", "trained"])
def test_the_page_compares_itself_with_pytorch(visit, which, request):
    page = visit(request.getfixturevalue(which))
    assert page.locator("#check").is_visible()
    assert float(page.get_attribute("#check", "data-worst")) < 1e-5


def test_a_network_of_ones_own_begins_with_its_own_score(visit, trained):
    page = visit(trained)
    assert page.locator('input[name="score"]').count() == 2
    assert page.is_checked('input[value="additive"]')
    assert page.locator("#grid-x tbody tr:first-of-type td").count() == 64
    page.hover("#grid-query tbody tr:first-of-type td:nth-of-type(2)")
    assert "… (96) + " in page.inner_text("#readout-text")


def test_shares_sum_to_one_and_a_mask_leaves_the_first_token_alone(visit, own):
    page = visit(own)
    assert all(math.isclose(sum(row), 1, abs_tol=0.0011) for row in read(page, "weights"))
    page.check("#causal")
    assert read(page, "weights")[0] == [1.0, 0.0]
    assert read(page, "logits")[0][1] == -math.inf


def test_a_low_temperature_sharpens_and_as_trained_takes_it_back(visit, own):
    page = visit(own)
    before = read(page, "weights")
    page.focus("#temperature")
    page.keyboard.press("Home")
    assert page.inner_text("#temperature-now") == "0.2"
    assert all(max(low) >= max(one) for low, one in zip(read(page, "weights"), before, strict=True))
    page.click("#reset")
    assert read(page, "weights") == before


def test_a_cell_tells_its_row_column_and_formula(visit, own):
    page = visit(own)
    page.hover("#grid-scores tbody tr:first-of-type td:nth-of-type(2)")
    text = page.inner_text("#readout-text")
    assert text.startswith("S[Thinking → Machine] = q₁·k₂ = ")
    left, right = text.replace("−", "-").split(" = ")[2:]
    products = [term.replace("(", "").replace(")", "").split("×") for term in left.split(" + ")]
    assert sum(float(a) * float(b) for a, b in products) == pytest.approx(float(right), abs=0.01)


def test_arrow_keys_walk_through_a_grid(visit, own):
    page = visit(own)
    page.focus('#grid-weights [tabindex="0"]')
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.inner_text("#readout-text").startswith("A[Machine → Machine]")
    page.keyboard.press("Home")
    assert page.inner_text("#readout-text").startswith("A[Machine → Thinking]")


def test_tab_reaches_every_switch_every_grid_and_every_head(visit, own):
    page = visit(own)
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(
            "document.activeElement.closest('[id^=grid-]')?.id || document.activeElement.id"
            " || document.activeElement.textContent"
        ))  # fmt: skip
    grids = page.evaluate("[...document.querySelectorAll('[id^=grid-]')].map(n => n.id)")
    wanted = {"scaled", "temperature", "causal", "positions", "head", "query", "reset", "theme"}
    assert {*grids, *wanted, "language", "readout", "head 1", "head 8"} <= reached


def test_the_language_switch_changes_every_word(visit, own):
    page = visit(own)
    assert page.get_by_text("Now by hand").last.is_visible()
    page.click("#language")
    assert not page.get_by_text("Now by hand").last.is_visible()
    assert page.get_by_text("动手算一遍").last.is_visible()
    assert page.inner_text(".head span") == "头 1"
    assert page.evaluate("document.documentElement.lang") == "zh"


def test_a_head_pressed_is_the_head_shown(visit, own):
    page = visit(own)
    page.click(".head >> nth=3")
    assert page.input_value("#head") == "3"
    assert page.get_attribute(".head >> nth=3", "aria-pressed") == "true"
    assert read(page, "z") != read(visit(own), "z")


def test_by_hand_gives_z(visit, own):
    page = visit(own)
    page.select_option("#query", "1")
    assert page.inner_text("#hand-q").startswith("q₂ = (")
    z = page.inner_text("#hand-z").replace("−", "-").rpartition("= (")[2].rstrip(")").split(", ")
    assert [float(x) for x in z] == read(page, "z")[1]


@pytest.mark.parametrize("score", ["dot", "cosine", "additive"])
def test_the_sheet_can_be_followed_from_what_it_shows(visit, own, score):
    page = visit(own)
    page.check(f"[name=score][value={score}]")
    rows = [row.query_selector_all("td") for row in page.query_selector_all("#hand tbody tr")[:-1]]
    cells = [[cell.inner_text().replace("−", "-").strip("()") for cell in row] for row in rows]
    scaled = score == "dot"
    for _, s, divided, power, *_ in cells:
        assert float(s) / (2 if scaled else 1) == pytest.approx(float(divided), abs=0.001)
        assert math.exp(float(divided)) == pytest.approx(float(power), rel=0.001)
    total = sum(float(row[3]) for row in cells)
    shares = [float(row[3]) / total for row in cells]
    assert shares == pytest.approx([float(row[4]) for row in cells], abs=0.001)
    values = [list(map(float, row[5].split(", "))) for row in cells]
    columns = zip(*values, strict=True)
    z = [sum(a * v for a, v in zip(shares, column, strict=True)) for column in columns]
    assert z == pytest.approx(read(page, "z")[0], abs=0.002)
    heads = page.inner_text("#hand thead")
    assert ("r = s ÷ √d" in heads) == scaled
    if scaled:
        page.uncheck("#scaled")
        assert "r = s ÷ √d" not in page.inner_text("#hand thead")
