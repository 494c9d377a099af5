from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from regard.errors import RegardError
from regard.page import matrix
from regard.page.colours import viridis

TOKENS = ("the", "incomprehensibilities", "of", "it", "all")


def names(count):
    return [TOKENS[k % len(TOKENS)] for k in range(count)]


def weights(rows, columns):
    drawn = np.random.default_rng(0).random((rows, columns))
    return drawn / drawn.sum(1, keepdims=True)


def panels(svg):
    """The picture of each panel, ``[R, C, 3]``, and where it stands."""
    found = []
    for node in svg.iter("image"):
        kind, _, code = node.get("href").partition(",")
        assert kind == "data:image/png;base64"
        picture = np.array(Image.open(io.BytesIO(base64.b64decode(code))))
        found.append((picture, {k: float(node.get(k)) for k in ("x", "y", "width", "height")}))
    return found


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (60, 60), (7, 150)])
def test_every_weight_is_drawn_once_in_its_colour(drawings, shape):
    values = weights(*shape)
    for svg in drawings(matrix(values, names(shape[0]), names(shape[1]), "c", high=0.5)):
        drawn = np.concatenate([picture for picture, _ in panels(svg)], axis=1)
        np.testing.assert_array_equal(drawn, viridis(values / 0.5))


@pytest.mark.parametrize("columns", [3, 20, 60])
def test_cells_are_square_large_enough_to_read_and_inside_the_sheet(drawings, columns):
    for svg in drawings(matrix(weights(60, columns), names(60), names(columns), "c")):
        for picture, box in panels(svg):
            pitch = box["width"] / picture.shape[1]
            assert pitch == pytest.approx(box["height"] / 60, abs=0.02)
            assert pitch >= 12
            assert 0 < box["x"] < box["x"] + box["width"] <= float(svg.get("width"))
            assert box["y"] > 12


def test_each_row_and_column_bears_its_name_at_its_place(drawings):
    rows, columns = ["a", "b"], ["one", "two", "three"]
    for svg in drawings(matrix(weights(2, 3), rows, columns, "c")):
        ((picture, box),) = panels(svg)
        pitch = box["width"] / picture.shape[1]
        texts = {node.text: node for node in svg.iter("text")}
        for k, row in enumerate(rows):
            middle = box["y"] + (k + 0.5) * pitch
            assert float(texts[row].get("y")) - middle == pytest.approx(4, abs=1)
            assert float(texts[row].get("x")) < box["x"]
        for k, column in enumerate(columns):
            middle = box["x"] + (k + 0.5) * pitch
            assert float(texts[column].get("x")) == pytest.approx(middle, abs=0.02)
            assert texts[column].get("transform").startswith("rotate(-60")


def test_characters_stand_upright(drawings):
    for svg in drawings(matrix(weights(1, 4), ["row"], list("我爱你。"), "c")):
        assert not any(node.get("transform") for node in svg.iter("text"))


def test_a_long_name_is_cut_and_whole_in_its_tooltip(drawings):
    name = "antidisestablishmentarianism" * 3
    for svg in drawings(matrix(weights(1, 1), [name], ["a"], "c")):
        cut = [node for node in svg.iter("text") if node.find("title") is not None]
        assert [node.find("title").text for node in cut] == [name]
        assert cut[0].text.endswith("…")


def test_who_does_not_see_it_is_told_the_strongest_of_each_row(drawings, tree):
    values = np.array([[0.1, 0.9], [0.75, 0.25]])
    fragment = matrix(values, ["le", "chat"], ["cat", "the"], "how it looks")
    for svg in drawings(fragment):
        assert svg.find("title").text == svg.get("aria-label") == "Matrix: how it looks"
        assert "le: the 0.90; chat: cat 0.75" in svg.find("desc").text
    rows = [["".join(cell.itertext()) for cell in row] for row in tree(fragment).iter("tr")]
    assert rows[1:] == [["le", "the 0.90", "cat 0.10"], ["chat", "cat 0.75", "the 0.25"]]


def test_a_blank_can_be_seen(drawings):
    for svg in drawings(matrix(weights(1, 2), [" "], ["a", ""], "c")):
        assert [node.text for node in svg.iter("text")] == ["␣", "a", "␣"]


def test_hostile_text_is_inert(hostile, outline):
    seen = outline(matrix(weights(1, 2), [hostile], [hostile, "a"], hostile))
    assert "script" not in seen.texts
    assert {attributes.get("src", "data:image/")[:11] for tag, attributes in seen.tags} == {
        "data:image/"
    }


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ([[0.5], [0.5]], {}, r"values \[2, 1\] with 1 rows and 2 columns"),
        ([[0.5, 1.5]], {}, "from 0.5 to 1.5"),
        ([[-0.5, 0.5]], {}, "from -0.5"),
        ([[0.5, np.nan]], {}, "finite"),
        ([[0.5, 0.5]], {"high": 0.0}, "brightest at 0"),
    ],
)
def test_refusals(values, options, said):
    with pytest.raises(RegardError, match=said):
        matrix(np.array(values), ["a"], ["b", "c"], "c", **options)
