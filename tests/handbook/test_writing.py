"""The committed documentation is what the generator writes."""

import shutil
from pathlib import Path

import pytest

import regard
from regard.handbook import differing, documents, write
from regard.handbook.tables import BEGIN, END, groups, short_table, with_table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of what the generator reads and writes."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in ("README.md", "README.zh-CN.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def made():
    return documents(ROOT)


def test_the_committed_files_are_up_to_date():
    assert not differing(ROOT), "run `make docs` and commit what it writes"


def test_what_is_missing_changed_or_left_over_is_found_and_mended(checkout):
    (checkout / "docs/catalogue/se.md").write_text("something else\n")
    (checkout / "docs/catalogue/eca.svg").unlink()
    (checkout / "docs/catalogue/gone.md").write_text("# Gone\n")
    readme = checkout / "README.md"
    readme.write_text(with_table(readme.read_text(), "| an older table |", "README.md"))
    stale = [
        "README.md",
        "docs/catalogue/eca.svg",
        "docs/catalogue/gone.md",
        "docs/catalogue/se.md",
    ]
    assert sorted(differing(checkout)) == stale
    assert sorted(write(checkout)) == stale
    assert not differing(checkout)
    assert not (checkout / "docs/catalogue/gone.md").exists()
    assert readme.read_text() == (ROOT / "README.md").read_text()


def test_every_mechanism_has_a_page_a_diagram_and_a_place_in_each_table(made):
    for name in regard.names():
        assert made[f"docs/catalogue/{name}.md"].endswith("\n")
        assert made[f"docs/catalogue/{name}.svg"].startswith("<svg")
        for table in ("README.md", "README.zh-CN.md"):
            assert made[table].count(f"[`{name}`](docs/catalogue/{name}.md)") == 1
        assert f"[`{name}`](catalogue/{name}.md)" in made["docs/catalogue.md"]


def test_links_between_the_pages_lead_somewhere(made):
    for path, text in made.items():
        if not path.endswith(".md"):
            continue
        for target in {part.split(")")[0] for part in text.split("](")[1:]}:
            if not target.startswith(("http", "#")):
                place = (ROOT / path).parent / target
                inside = place.resolve().relative_to(ROOT)
                assert str(inside) in made or place.exists(), f"{path}: {target}"


def test_a_text_without_one_pair_of_markers_is_refused():
    for text in ("no markers", f"{BEGIN}{END}{BEGIN}{END}", f"{END}{BEGIN}"):
        with pytest.raises(regard.RegardError, match=r"x\.md needs one pair"):
            with_table(text, "table", "x.md")


def test_groups_hold_every_card_once_and_a_new_family_has_a_place(card_of):
    cards = [regard.card(name) for name in regard.names()]
    found = groups([*cards, card_of(object, family=("time",))])
    assert found["time"][0].name == "mine"
    held = [c.name for members in found.values() for c in members if c.name != "mine"]
    assert sorted(held) == list(regard.names())
    assert "| time | [`mine`](docs/catalogue/mine.md) |" in short_table(found["time"])
