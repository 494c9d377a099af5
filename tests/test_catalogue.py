"""The catalogue: names, aliases, errors, and mechanisms of the caller's own."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

import regard
from regard import catalogue, mechanisms
from regard.errors import RegardError

ALL = regard.names()
FOLDER = Path(mechanisms.__file__).parent


def test_every_file_of_the_folder_has_a_mechanism():
    homes = {Path(catalogue.source_of(regard.card(n))).name for n in ALL}
    assert homes == {p.name for p in FOLDER.glob("[!_]*.py")}


def test_names_are_in_alphabetical_order_and_once():
    assert list(ALL) == sorted(set(ALL))


@pytest.mark.parametrize("name", ALL)
def test_a_name_and_its_aliases_give_one_card(name):
    card = regard.card(name)
    assert card.name == name
    assert all(regard.card(alias) is card for alias in card.aliases)


def test_no_name_or_alias_is_used_twice():
    used = [n for name in ALL for n in (name, *regard.card(name).aliases)]
    assert len(used) == len(set(used))


@pytest.mark.parametrize("name", ALL)
def test_every_mechanism_is_built_and_known_again(name):
    module = regard.get(name, 16, **regard.card(name).options)
    assert isinstance(module, nn.Module)
    assert catalogue.card_of(module) is regard.card(name)


def test_names_can_be_filtered():
    for family in {f for n in ALL for f in regard.card(n).family}:
        assert regard.names(family=family) == tuple(
            n for n in ALL if family in regard.card(n).family
        )
    maps = regard.names(takes="map")
    assert {"se", "cbam"} <= set(maps)
    assert "multihead" not in maps
    both = regard.names("channel", "tokens")
    assert both == tuple(n for n in regard.names("channel") if n in regard.names(takes="tokens"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"family": "chanel"}, "no mechanism has the family 'chanel'; nearest: channel"),
        ({"takes": "token"}, "no mechanism has the input 'token'; nearest: tokens"),
    ],
)
def test_an_unknown_filter_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.names(**given)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("cmba", "no mechanism is called 'cmba'; nearest: cbam"),
        ("bahdanou", "no mechanism is called 'bahdanou'; nearest: bahdanau"),
        ("zzz", "no mechanism is called 'zzz'; known: "),
        ("", "no mechanism is called ''; known: "),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest(asked, words):
    with pytest.raises(RegardError, match=words):
        regard.card(asked)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: regard.get("se", 64, reducton=8), "se has no option 'reducton'; nearest: red"),
        (lambda: regard.get("se"), "missing a required argument: 'channels'; it takes"),
        (lambda: regard.get("se", 64, 8, 4), "too many positional arguments"),
        (lambda: regard.get("se", 64, channels=64), "multiple values for argument 'channels'"),
        (lambda: regard.get("se", "64"), "channels is '64'; it must be a whole number"),
        (lambda: regard.get("se", 64, start="zero"), "start is 'zero'; it can be 'paper' or"),
        (lambda: regard.get("cbam", 64, variant="mine"), "variant is 'mine'; it can be"),
        (lambda: regard.get("cbam", 64, kernel_size=4), "kernel_size is 4; cbam needs an odd"),
        (lambda: regard.get("cbam", 64, kernel_size="7"), r"regard.get\('cbam', …\): .*str"),
        (lambda: regard.get("cbam", 64, device="gpu"), r"regard.get\('cbam', …\): .*gpu"),
        (lambda: regard.get("eca", 64, gamma=0), r"regard.get\('eca', …\): .*division"),
        (lambda: regard.get("multihead", 64, heads=7), "7 heads do not divide a width of 64"),
        (lambda: regard.get("multihead", 64, score="dott"), "no score is called 'dott'; nearest"),
    ],
)
def test_what_cannot_be_built_is_an_error_that_says_why(call, words):
    with pytest.raises(RegardError, match=words):
        call()


def test_device_and_dtype_are_passed_on():
    module = regard.get("cbam", 64, device="meta", dtype=torch.bfloat16)
    assert all(p.is_meta and p.dtype == torch.bfloat16 for p in module.parameters())


def test_signatures_are_read_from_the_class():
    text = catalogue.signature_of(regard.card("multihead"))
    assert text.startswith("(dim, heads=8, source_dim=None, score='scaled_dot'")
    assert "device" not in text


def test_citing_names_and_models_gives_each_paper_once():
    text = regard.cite("cbam", "cbam_spatial", "luong")
    assert text.count("@") == 2
    assert "woo2018cbam" in text
    assert "luong2015effective" in text
    model = nn.Sequential(nn.Conv2d(3, 8, 1), regard.get("se", 8), regard.get("cbam", 8))
    assert {"hu2018squeeze", "woo2018cbam"} == {
        entry.split(",")[0] for entry in regard.cite(model).split("@inproceedings{")[1:]
    }
    assert regard.cite(nn.Linear(2, 2)) == ""


OWN = """
from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

import regard


@dataclass
class Setting:
    scale: float


class Mine(nn.Module):
    def __init__(self, channels, scale=2.0):
        super().__init__()
        self.setting = Setting(scale)
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x):
        return x * self.setting.scale


CARD = replace(regard.card("se"), name="mine", module=Mine, bibtex="@misc{mine}", aliases=())
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_a_file_of_ones_own(own):
    module = regard.get(f"{own}:mine", 4, scale=3.0)
    assert torch.equal(module(torch.ones(2)), torch.full((2,), 3.0))
    assert regard.card(str(own)) is regard.card(f"{own}:mine")
    assert catalogue.source_of(regard.card(str(own))) == own.resolve()
    assert "mine" not in regard.names()


def test_a_module_of_ones_own_is_cited_and_pickled(own):
    module = regard.get(f"{own}:mine", 4)
    assert regard.cite(nn.Sequential(module)) == "@misc{mine}"
    assert pickle.loads(pickle.dumps(module)).setting == module.setting


def test_an_installed_module_of_ones_own(own, monkeypatch):
    monkeypatch.syspath_prepend(str(own.parent))
    own.rename(own.with_name("own_package_of_mine.py"))
    assert regard.card("own_package_of_mine:mine").name == "mine"


def test_files_of_one_stem_do_not_hide_each_other_or_a_module(tmp_path):
    for folder in ("a", "b"):
        path = tmp_path / folder / "math.py"
        path.parent.mkdir()
        path.write_text(OWN.replace('"mine"', f'"{folder}"'), encoding="utf-8")
    classes = [regard.card(f"{tmp_path}/{f}/math.py:{f}").module for f in ("a", "b")]
    assert classes[0] is not classes[1]
    assert all(sys.modules[c.__module__].Mine is c for c in classes)
    assert sys.modules["math"].sqrt(4) == 2


def test_several_cards_in_a_file_need_a_name(own):
    text = own.read_text(encoding="utf-8")
    own.write_text(text + 'CARDS = (CARD, replace(CARD, name="yours"))\n', encoding="utf-8")
    assert regard.card(f"{own}:yours").name == "yours"
    with pytest.raises(RegardError, match=r"has no mechanism ''; known: mine, yours"):
        regard.card(str(own))
    with pytest.raises(RegardError, match=r"has no mechanism 'yuors'; nearest: yours"):
        regard.card(f"{own}:yuors")


def test_two_cards_of_one_name_in_a_file_are_an_error(own):
    own.write_text(own.read_text(encoding="utf-8") + "CARDS = (CARD, CARD)\n", encoding="utf-8")
    with pytest.raises(RegardError, match="two mechanisms are called 'mine'"):
        regard.card(f"{own}:mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("import no_such_module_at_all", "cannot be imported: ModuleNotFoundError"),
        ("def f(:", "cannot be imported: SyntaxError"),
        ("from ..cards import Card", r"from regard\.cards, not \.\.cards: see CONTRIBUTING"),
        ("x = 1", "has no CARD or CARDS"),
        ("CARDS = ('ace', 'king')", "has no CARD or CARDS"),
        ("CARDS = 52", "has no CARD or CARDS"),
    ],
)
def test_a_file_that_does_not_work_is_an_error_with_its_reason(tmp_path, text, words):
    path = tmp_path / "broken.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RegardError, match=words) as caught:
        regard.card(f"{path}:mine")
    assert str(path) in str(caught.value)


def test_a_file_that_failed_can_be_mended(tmp_path):
    path = tmp_path / "mended.py"
    path.write_text("1 / 0", encoding="utf-8")
    with pytest.raises(RegardError, match="ZeroDivisionError"):
        regard.card(f"{path}:mine")
    path.write_text(OWN, encoding="utf-8")
    assert regard.card(f"{path}:mine").name == "mine"


@pytest.mark.parametrize("place", ["nowhere.py:mine", "no_such_package.at_all:mine"])
def test_a_place_that_is_not_there_is_an_error(place):
    with pytest.raises(RegardError, match=place.split(":", maxsplit=1)[0]):
        regard.card(place)


def test_two_files_with_one_name_are_an_error(tmp_path, monkeypatch):
    for stem in ("twin_a", "twin_b"):
        (tmp_path / f"{stem}.py").touch()
        twin = ModuleType(stem)
        twin.CARD = replace(regard.card("se"), name="twin")
        monkeypatch.setitem(sys.modules, f"regard.mechanisms.{stem}", twin)
    monkeypatch.setattr(catalogue, "_FOLDER", tmp_path)
    with pytest.raises(RegardError, match=r"two mechanisms are called 'twin': see twin_b\.py"):
        catalogue._cards.__wrapped__()
