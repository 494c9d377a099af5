import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.catalogue import card, names
from regard.checks.bibtex import parse
from regard.errors import RegardError


def test_braces_quotes_and_bare_values():
    entry = (
        '@Article{key:1,\n  Title = {A {NESTED} {T{i}tle}},\n author="Able,\n Ada", year=2024\n}'
    )
    assert parse(entry) == {
        "kind": "article",
        "key": "key:1",
        "title": "A {NESTED} {T{i}tle}",
        "author": "Able, Ada",
        "year": "2024",
    }


def test_a_comma_at_the_end_is_allowed():
    assert parse("@misc{a, year = {2024},\n}")["year"] == "2024"


plain = st.text(string.ascii_letters + string.digits + " .,:'-\\", min_size=1)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["title", "author", "note", "url"]), plain, min_size=1))
def test_what_is_written_is_read(fields):
    body = ",\n".join(f"{name} = {{{value}}}" for name, value in fields.items())
    found = parse(f"@misc{{key, {body}}}")
    assert found == {
        "kind": "misc",
        "key": "key",
        **{name: " ".join(value.split()) for name, value in fields.items()},
    }


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "title = {A}",
        "@misc{}",
        "@misc{key, title = {A}",
        "@misc{key, title = {A}} and more",
        "@misc{key, title = {A year = {2024}}",
        '@misc{key, title = "A}',
        "@misc{key, title = }",
        "@misc{key, title {A}}",
    ],
)
def test_a_broken_entry_is_an_error(entry):
    with pytest.raises(RegardError, match="bibtex"):
        parse(entry)


@pytest.mark.parametrize("name", names())
def test_every_card_can_be_cited(name):
    assert {"title", "author", "year", "key"} <= set(parse(card(name).bibtex))
