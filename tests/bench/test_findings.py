import json

from regard.bench.findings import COLUMNS


def test_facts_are_plain_and_an_open_end_is_none(made):
    [row, *_] = made.rows
    plain, copy = row.entries[1].facts(), row.entries[2].facts()
    assert (plain["ratio"], plain["verdict"]) == (0.5, "faster")
    assert (copy["ratio_low"], copy["ratio_high"], copy["verdict"]) == (None, None, "undecided")
    assert json.loads(json.dumps(row.facts(), allow_nan=False))["shape"] == [8, 256, 56, 56]


def test_lines_have_the_columns(made):
    for row in made.rows:
        for line in row.lines():
            assert set(line) == set(COLUMNS)


def test_an_entry_that_was_not_timed_is_none(made):
    row = made.rows[0]
    assert row.entry("plain").ms.median == 4
    assert row.entry("timm") is None
    assert row.entry("host") is None


def test_what_is_wrong_in_one_line(red):
    [wrong] = red.wrong
    assert wrong.sentence() == (
        "se, 2×16×6×6, channels first, training: ours is wrong: the output is off"
    )
    assert wrong.facts()["contender"] == "ours"
