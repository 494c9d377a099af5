"""A page says everything that the card says, and its code runs."""

import re

import pytest
from torch import nn

import regard
from regard.handbook import pages
from regard.handbook.entry import paper_link
from regard.handbook.usage import code, refusal

NAMES = regard.names()
TEXT = {name: pages(name)[f"docs/catalogue/{name}.md"] for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_what_the_card_says(name):
    card, text = regard.card(name), TEXT[name]
    said = " ".join(text.replace("\\", "").split())
    for fact in (
        card.title, card.authors, str(card.year), card.complexity, card.code, card.code_licence,
        card.parameters, *card.aliases, *card.variants, *card.family, *card.waives.values(),
    ):  # fmt: skip
        assert " ".join(fact.split()).replace("\\", "") in said, fact
    assert card.bibtex.strip() in text
    assert paper_link(card) in text
    assert f"]({name}.svg)" in text


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_a_table_has_the_columns_of_its_head(name):
    head = 0
    for line in TEXT[name].splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (head and cells) or cells == head, line
        head = cells


@pytest.mark.parametrize("name", NAMES)
def test_the_code_gets_the_mechanism_and_cites_it(name, capsys):
    lines = [line for line in code(regard.card(name)).splitlines() if "plug" not in line]
    lines[2] = lines[2][:-1] + ', device="meta")'
    scope = {}
    exec("\n".join(lines), scope)
    assert isinstance(scope["module"], regard.card(name).module)
    assert capsys.readouterr().out.strip() == regard.card(name).bibtex.strip()


@pytest.mark.parametrize("name", ["se", "spatial_transformer", "multihead", "dot"])
def test_the_code_plugs_the_mechanism(name):
    torch, models = pytest.importorskip("torch"), pytest.importorskip("timm")
    resnet50 = models.create_model("resnet50", num_classes=2).eval()
    scope = {"resnet50": resnet50, "images": torch.randn(1, 3, 32, 32)}
    exec(code(regard.card(name)), scope)
    assert regard.plugged(resnet50)


def test_what_cannot_be_plugged_is_not_and_the_page_says_why():
    for name in NAMES:
        why = refusal(regard.card(name))
        assert ("regard.plug" in code(regard.card(name))) is (not why)
        assert not why or "not plugged at a site" in TEXT[name]
    assert refusal(regard.card("aff"))
    assert not refusal(regard.card("cbam"))


def test_a_new_file_of_ones_own_has_a_page(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    made = pages(str(tmp_path / "mine.py"))
    text = made["docs/catalogue/mine.md"]
    assert text.startswith("# Mine \\<b\\>\n")
    assert "<b>" not in text
    assert "docs/catalogue/mine.svg" in made


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(regard.RegardError, match="nearest: cbam"):
        pages("cmba")


OWN = '''"""Mine: an affine map of each channel.

.. math:: y = ax
"""
from torch import nn
import torch
from regard.cards import Card

class Mine(nn.Module):
    """Mine.

    Args:
        channels: C.
    """

    def __init__(self, channels):
        super().__init__()
        self.a = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x):
        return self.a * x

CARD = Card(name="mine", title="Mine <b>", module=Mine, takes="map", family=("channel",),
            start="none", paper="arXiv:2401.00001", year=2024, authors="A. Able", parameters="C",
            bibtex="@misc{a, title={A}, author={Able, A.}, year={2024}}", complexity="O(C)")
'''


def test_no_module_is_changed_by_being_drawn():
    before = nn.Module.__call__
    pages("se")
    assert nn.Module.__call__ is before
