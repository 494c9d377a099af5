import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regard.data.text.skips import Skips
from regard.data.text.tables import read_table, suffix_of
from regard.errors import RegardError

CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\u2028"))
TABLE = st.lists(st.tuples(CELL, CELL), max_size=5)


def rows(path, columns=("text", "label"), skips=None):
    return [values for _, values in read_table(path, columns, skips or Skips())]


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(st.lists(CELL, max_size=3).map("\n".join), CELL), max_size=5))
def test_what_the_csv_module_writes_comes_back(tmp_path, table):
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([("label", "text"), *((b, a) for a, b in table)])
    assert rows(write(tmp_path / "a.csv", buffer.getvalue())) == table


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLE, ascii_only=st.booleans())
def test_what_the_json_module_writes_comes_back(tmp_path, table, ascii_only):
    lines = [json.dumps({"label": b, "text": a}, ensure_ascii=ascii_only) for a, b in table]
    assert rows(write(tmp_path / "a.jsonl", "\n".join(lines))) == table


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLE)
def test_tabs_divide_and_quotes_are_signs_like_others(tmp_path, table):
    path = write(tmp_path / "a.tsv", "".join(f"{a}\t{b}\r\n" for a, b in table))
    assert rows(path, (1, 2)) == table
    assert rows(path, (2, 1)) == [(b, a) for a, b in table]


def test_a_quoted_line_end_stays_in_its_row_and_later_lines_keep_their_number(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\n"two\nlines",x\nlast,y\n')
    assert list(read_table(path, ("text",), Skips())) == [(2, ("two\nlines",)), (4, ("last",))]


def test_semicolons_divide_where_the_header_has_them(tmp_path):
    assert rows(write(tmp_path / "a.csv", "text;label\na, b;x\n")) == [("a, b", "x")]


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path):
    for name, text in (("a.csv", "sentence,label\n"), ("a.tsv", "sentence\tlabel\nx\ty")):
        with pytest.raises(RegardError, match=r"no column 'text'; its first line names 'sentence'"):
            rows(write(tmp_path / name, text))
    with pytest.raises(
        RegardError, match=r"a\.jsonl, line 1: no column 'text'; found 'a', 'label'"
    ):
        rows(write(tmp_path / "a.jsonl", '{"a": 1, "label": "x"}'))


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("a.tsv", "only", r"a\.tsv, line 3: 1 columns; expected 2 or more"),
        ("a.csv", "only", r"a\.csv, line 3: 1 columns; expected 2 or more"),
    ],
)
def test_a_short_row_is_told_or_skipped(tmp_path, name, bad, message):
    comma = "," if name.endswith("csv") else "\t"
    text = "\n".join([comma.join(("text", "label")), comma.join("ab"), bad, "", comma.join("cd")])
    path = write(tmp_path / name, text)
    with pytest.raises(RegardError, match=message):
        rows(path)
    skips = Skips("skip")
    assert rows(path, skips=skips) == [("a", "b"), None, ("c", "d")]
    assert skips.notes() == [
        f"skipped damaged rows: 1 ({name}, line 3)",
        f"skipped empty lines: 1 ({name}, line 4)",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: no JSON"),
        ("[" * 100_000, "line 1: no JSON"),
        ("[1]", "line 1: no column 'text'; found no object"),
        ('{"text": ["a"], "label": "b"}', "column 'text' holds a list; expected text"),
        ('{"text": "a", "label": 1.5}', "column 'label' holds a float"),
        (r'{"text": "\ud800", "label": "b"}', "half a surrogate pair"),
    ],
)
def test_a_damaged_object_is_told_or_skipped(tmp_path, line, message):
    path = write(tmp_path / "a.jsonl", line + '\n{"text": "a", "label": 1}\n')
    with pytest.raises(RegardError, match=message):
        rows(path)
    assert rows(path, skips=Skips("skip")) == [None, ("a", "1")]


def test_json_values_that_have_a_plain_text_are_taken(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"a": {"b": "x"}, "c.d": true, "e": null}')
    assert rows(path, ("a.b", "c.d", "e")) == [("x", "true", "")]


def test_an_unclosed_quote_and_broken_utf8_are_never_skipped_in_csv(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\na,b\n"open,b\nc,d\n')
    with pytest.raises(RegardError, match=r"a\.csv, line 3: .*quotes that are closed"):
        rows(path, skips=Skips("skip"))
    path.write_bytes(b"text,label\n\xff,b\n")
    with pytest.raises(RegardError, match=r"a\.csv, line 2: byte 1"):
        rows(path, skips=Skips("skip"))


def test_columns_count_from_one(tmp_path):
    with pytest.raises(RegardError, match="expected numbers from 1, or names"):
        rows(write(tmp_path / "a.tsv", "a\tb"), (0, 1))


@pytest.mark.parametrize(("name", "suffix"), [("a.CSV.gz", ".csv"), ("b.tsv", ".tsv"), ("c", "")])
def test_the_form_is_told_by_the_name_without_gz(tmp_path, name, suffix):
    assert suffix_of(tmp_path / name) == suffix
